/** Where the Node 24 is that the project runs on: its own, else the system's when that is new enough. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { elapsed, fail, root, say } from './console.mjs';
import { npm, outerPath } from './install.mjs';

const NEEDED = 24;
const packageFolder = path.join(root, 'node_modules', 'node');
const own = path.join(packageFolder, 'bin', 'node');

const archPackage = `${process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${process.platform}-${process.arch}`;
const fetched = path.join(packageFolder, 'node_modules', archPackage, 'bin', 'node');

/** Major version of a Node binary, 0 when it does not run. */
function majorOf(binary) {
  try {
    return Number(/^v(\d+)/.exec(execFileSync(binary, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The package `node` fetches its binary in an install script. Where scripts are off, the same is done here. */
async function fetchOwn() {
  const started = Date.now();
  say(`fetching Node ${NEEDED} for ${process.platform}-${process.arch} (about 50 MB)`);
  const version = versionWanted();
  const { code, tail } = await npm(
    ['install', '--loglevel=error', '--no-save', '--no-audit', '--no-fund', '--no-package-lock', `${archPackage}@${version}`],
    packageFolder,
  );
  if (code === 0) say(`Node ${version} fetched in ${elapsed(started)}`);
  else process.stderr.write(`${tail.trimEnd()}\n`);
}

const versionWanted = () => JSON.parse(readFileSync(path.join(packageFolder, 'package.json'), 'utf8')).version;

/** Candidates in order of preference, without any download. */
function candidates() {
  const system = outerPath()
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'node'));
  return [own, fetched, process.execPath, ...system].filter((binary) => existsSync(binary));
}

/** @returns path of a Node >= 24; ends the process with advice when there is none and none can be fetched */
export async function findNode24() {
  const found = candidates().find((binary) => majorOf(binary) >= NEEDED);
  if (found) return found;
  if (existsSync(packageFolder)) await fetchOwn();
  if (majorOf(fetched) >= NEEDED) return fetched;
  return fail(
    `no Node ${NEEDED} for ${process.platform}-${process.arch}: this one is ${process.version}`,
    `install Node ${NEEDED} (https://nodejs.org) and run the same command again`,
  );
}
