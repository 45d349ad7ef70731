import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { dataFolder } from './fixtures/folder.ts';

const root = path.resolve(import.meta.dirname, '../..');

describe('start script', () => {
  let folder: string;
  let remove: () => Promise<void>;

  /** A copy of the project as a clone has it, with an `npm` that only notes how it was called. */
  const copy = () => {
    for (const name of ['package.json', 'package-lock.json', 'scripts'])
      cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    mkdirSync(path.join(folder, 'fake'));
    const npm = path.join(folder, 'fake', 'npm');
    writeFileSync(npm, `#!/bin/sh\necho "$@" >> '${folder}/npm-calls'\necho "$NPM_SAYS" >&2\nexit \${NPM_CODE:-0}\n`);
    chmodSync(npm, 0o755);
  };
  const installed = (packages: object) => {
    mkdirSync(path.join(folder, 'node_modules'), { recursive: true });
    writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
  };
  const locked = () =>
    (JSON.parse(readFileSync(path.join(folder, 'package-lock.json'), 'utf8')) as { packages: Record<string, { version: string }> })
      .packages;
  const run = (target: string[], env: Record<string, string> = {}) => {
    const PATH = `${path.join(folder, 'fake')}:${process.env.PATH}`;
    const { status, stderr, stdout } = spawnSync(process.execPath, ['scripts/run.mjs', ...target], {
      cwd: folder,
      env: { PATH, ...env },
      encoding: 'utf8',
    });
    const calls = existsSync(path.join(folder, 'npm-calls')) ? readFileSync(path.join(folder, 'npm-calls'), 'utf8') : '';
    return { status, stdout, stderr, calls };
  };

  beforeEach(async () => {
    const made = await dataFolder();
    [folder, remove] = [made.data_dir, made.remove];
    copy();
    writeFileSync(
      path.join(folder, 'target.ts'),
      'const answer: number = 42;\nconsole.log(answer, process.argv.slice(2).join());\nprocess.exit(7);\n',
    );
  });
  afterEach(() => remove());

  it('installs first when nothing is installed, then runs the target and ends as it ends', () => {
    const { status, stdout, stderr, calls } = run(['target.ts', 'a', 'b']);
    expect(calls).toMatch(/^ci /);
    expect(stderr).toContain('dependencies are not installed yet');
    expect({ status, stdout }).toEqual({ status: 7, stdout: '42 a,b\n' });
    expect(stderr).not.toContain('Warning');
  });

  it('does not install when everything is there', () => {
    installed(locked());
    expect(run(['target.ts'])).toMatchObject({ status: 7, calls: '', stderr: '' });
  });

  it('installs when a package is missing, has another version, or an installation was broken off', () => {
    const { 'node_modules/express': express, ...rest } = locked();
    installed(rest);
    expect(run(['target.ts']).stderr).toContain('node_modules/express is missing');
    installed({ ...rest, 'node_modules/express': { ...express, version: '0.0.1' } });
    expect(run(['target.ts']).stderr).toMatch(/express is 0\.0\.1, the lock file says/);
    mkdirSync(path.join(folder, 'node_modules/x'), { recursive: true });
    writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), '');
    expect(run(['target.ts']).calls.match(/^ci/gm)).toHaveLength(3);
  });

  it('installs an optional dependency that the lock file got since the last installation, and no other that is absent', () => {
    const { 'node_modules/jpeg-js': _, ...rest } = locked();
    installed(rest);
    const lock = path.join(folder, 'package-lock.json');
    utimesSync(lock, 0, Date.now() / 1000 - 60);
    expect(run(['target.ts'])).toMatchObject({ status: 7, calls: '' });
    utimesSync(lock, 0, Date.now() / 1000 + 60);
    expect(run(['target.ts']).stderr).toContain('node_modules/jpeg-js is missing');
    installed(locked());
    utimesSync(lock, 0, Date.now() / 1000 + 60);
    expect(run(['target.ts']).calls.match(/^ci/gm)).toHaveLength(1);
  });

  it.each([
    ['getaddrinfo ENOTFOUND registry', 'the npm registry was not reachable'],
    ['ENOSPC: no space left on device', 'the disk is full'],
    ['EACCES: permission denied', 'not writable'],
    ['something else', '"npm ci" by hand shows more'],
  ])('says what to do when npm fails with %s', (words, advice) => {
    const { status, stderr } = run(['target.ts'], { NPM_SAYS: words, NPM_CODE: '1' });
    expect(status).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr).toContain(advice);
  });

  it('names a target that does not exist', () => {
    installed(locked());
    expect(run(['nothing']).stderr).toContain('"nothing" is neither a .ts file nor a tool');
  });

  it('passes signals on', async () => {
    installed(locked());
    writeFileSync(
      path.join(folder, 'target.ts'),
      `process.on('SIGTERM', () => process.exit(9));\nconsole.log('up');\nsetInterval(() => undefined, 1000);\n`,
    );
    const child = spawn(process.execPath, ['scripts/run.mjs', 'target.ts'], { cwd: folder, env: { PATH: process.env.PATH } });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
  });

  it('has a lock file that npm ci accepts on every platform', () => {
    const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const names = new Set(Object.keys(packages).map((folder) => folder.slice(folder.lastIndexOf('node_modules/') + 13)));
    const missing = Object.values(packages).flatMap((entry) =>
      Object.keys(entry.optionalDependencies ?? {}).filter((name) => !names.has(name)),
    );
    expect(missing).toEqual([]);
  });
});
