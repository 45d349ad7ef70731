import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeConfig } from '../../config/env.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

type Service = {
  build?: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, unknown>;
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

/** The YAML parser of a development tool that is installed anyway. */
const yaml = createRequire(createRequire(import.meta.url).resolve('knip'))('yaml') as { parse(text: string, options: object): unknown };
const compose = yaml.parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const own = services.filter(([, service]) => service.build !== undefined);

/** Role → program, as the image's entry point has it. */
const programs = new Map(
  [...read('deploy/entrypoint.sh').matchAll(/^ {2}([a-z| ]+)\) program=(\S+) ;;$/gm)].flatMap(([, roles = '', program = '']) =>
    roles.split('|').map((role) => [role.trim(), program.replace('$role', role.trim())] as const),
  ),
);

test('every service of ours starts a role that the image has', () => {
  expect(own.map(([name]) => name)).toEqual(['prepare', 'api', 'dispatcher', 'worker-1', 'worker-2']);
  for (const [, { command }] of own) expect([...programs.keys()]).toContain(command?.[0]);
  for (const program of programs.values()) expect(existsSync(path.join(root, program))).toBe(true);
});

test('services wait only for services that are there, and volumes are declared', () => {
  for (const [, { depends_on = {}, volumes = [] }] of services) {
    for (const name of Object.keys(depends_on)) expect(Object.keys(compose.services)).toContain(name);
    const named = volumes.map((volume) => volume.split(':')[0] ?? '').filter((source) => !/^[./]/.test(source));
    for (const name of named) expect(Object.keys(compose.volumes)).toContain(name);
  }
});

test('settings of our services are settings that exist', () => {
  const known = describeConfig().map(({ name }) => name);
  for (const [, { environment = {} }] of own) expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
});

test('only workers hold the Docker socket', () => {
  const holders = services.filter(([, { volumes = [] }]) => volumes.some((volume) => volume.includes('docker.sock')));
  expect(holders.map(([name]) => name)).toEqual(['worker-1', 'worker-2']);
});

test('what has no default is in .env.example', () => {
  const needed = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name);
  for (const name of new Set(needed)) expect(read('.env.example')).toMatch(new RegExp(`^${name}=$`, 'm'));
});

/** Files that a program loads, itself included. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, to = ''] of read(file).matchAll(/^(?:import|export)\b(?! type\b)[^;]*?from '(\.[^']+)';/gms))
    loadedBy(path.join(path.dirname(file), to), seen);
  return seen;
}

test('the image has every file that its roles load', () => {
  const kept = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const isKept = (file: string) => kept.some((entry) => file === entry || file.startsWith(`${entry}/`));
  const loaded = new Set([...programs.values()].flatMap((program) => [...loadedBy(program)]));
  const workflows = readdirSync(path.join(root, 'workflows')).map((name) => `workflows/${name}`);
  expect([...loaded, ...workflows].filter((file) => !isKept(file))).toEqual([]);
  expect(loaded.size).toBeGreaterThan(100);
});
