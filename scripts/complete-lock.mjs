/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out, because the registry in use did not have them
 * when the lock file was written. Without their entries `npm ci` refuses the whole lock file, on every platform. They carry no integrity
 * value until somebody with a full registry runs `npm install`. Run after each `npm install`: `npm run lock`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, say } from './console.mjs';

const OS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'windows'];
const CPU = {
  arm64: 'arm64',
  aarch64: 'arm64',
  x64: 'x64',
  ia32: 'ia32',
  arm: 'arm',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  wasm32: 'wasm32',
};

/** What a platform package's name says about where it belongs: `…-linux-arm64-musl`. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-');
  const os = words.find((word) => OS.includes(word));
  const cpu = words.find((word) => word in CPU);
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined;
  return { os: os && [os === 'windows' ? 'win32' : os], cpu: cpu && [CPU[cpu]], libc };
}

/** Where node would find `name` from the package in `folder`. */
function find(packages, folder, name) {
  for (let base = folder; ; base = base.includes('/node_modules/') ? base.slice(0, base.lastIndexOf('/node_modules/')) : '') {
    const candidate = `${base ? `${base}/` : ''}node_modules/${name}`;
    if (packages[candidate] || base === '') return packages[candidate];
  }
}

function missing(packages) {
  return Object.entries(packages).flatMap(([folder, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name, version]) => !find(packages, folder, name) && /^\d/.test(version) && !entry.peerDependenciesMeta?.[name])
      .map(([name, version]) => [
        `node_modules/${name}`,
        { version, ...platformOf(name), ...(entry.dev && { dev: true }), optional: true },
      ]),
  );
}

const file = path.join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const added = missing(lock.packages);
const sorted = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => a.localeCompare(b, 'en'));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
say(`${added.length} packages of other platforms added to package-lock.json`);
