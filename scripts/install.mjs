/** Whether node_modules is what package-lock.json says, and `npm ci` when it is not. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { elapsed, fail, root, say } from './console.mjs';

const ADVICE = [
  [/EACCES|EPERM/, 'the project folder or the npm cache is not writable for you: check their owner (npm config get cache)'],
  [/ENOSPC/, 'the disk is full: about 1.5 GB are needed for dependencies and data'],
  [
    /ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EAI_AGAIN|network/i,
    'the npm registry was not reachable: check the network, a proxy (npm config get proxy) or the registry (npm config get registry), then run the same command again',
  ],
  [/SELF_SIGNED|UNABLE_TO_VERIFY|CERT_/, "the registry's certificate is not trusted: set cafile in your .npmrc or NODE_EXTRA_CA_CERTS"],
  [/EINTEGRITY/, 'a download did not match package-lock.json: run "npm cache clean --force" and try again'],
  [/in sync|EUSAGE/, 'package.json and package-lock.json do not match: run "npm install" and commit package-lock.json'],
];

const INSTALLED = 'node_modules/.package-lock.json';

const lockedPackages = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;

/** What npm noted at the end of its last installation, null when it did not get that far. */
function installedPackages() {
  try {
    return lockedPackages(INSTALLED) ?? null;
  } catch {
    return null;
  }
}

/** A package that npm may rightly have left out: for another platform, or for development in a production install. */
function mayBeAbsent(entry) {
  const production = process.env.NODE_ENV === 'production' || /\bdev\b/.test(process.env.npm_config_omit ?? '');
  return Boolean(entry.optional || entry.devOptional || entry.peer || (entry.dev && production));
}

/**
 * An optional dependency of the project itself that came into the lock file after the last installation. One that was left out by an installation
 * since then cannot be had here, and is not tried again at each start.
 */
function newlyWanted(locked, installed) {
  const changedAt = (file) => statSync(path.join(root, file)).mtimeMs;
  if (changedAt('package-lock.json') <= changedAt(INSTALLED)) return undefined;
  const wanted = Object.keys(locked[''].optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
  return wanted.find((folder) => !installed[folder] && locked[folder] && !locked[folder].os && !locked[folder].cpu);
}

/**
 * Why the dependencies must be installed, or null when node_modules is as the lock file says. npm writes its hidden lock file last,
 * so an install that was broken off counts as missing, and `npm ci` by hand counts as fresh.
 */
export function staleness() {
  if (!existsSync(path.join(root, 'node_modules'))) return 'dependencies are not installed yet';
  const installed = installedPackages();
  if (installed === null) return 'an earlier installation did not finish';
  const locked = lockedPackages('package-lock.json');
  for (const [folder, entry] of Object.entries(locked)) {
    const problem = folder === '' || entry.link ? null : compare(folder, entry, installed[folder]);
    if (problem) return problem;
  }
  const optional = newlyWanted(locked, installed);
  return optional ? `${optional} is missing` : null;
}

function compare(folder, entry, found) {
  if (!found) return mayBeAbsent(entry) ? null : `${folder} is missing`;
  return found.version === entry.version ? null : `${folder} is ${found.version}, the lock file says ${entry.version}`;
}

/** PATH without the project's own tools, which an installation deletes under its feet. */
export function outerPath() {
  const own = path.join(root, 'node_modules');
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => !path.resolve(folder).startsWith(own))
    .join(path.delimiter);
}

/** Runs npm with these arguments outside the project's own tools. @returns exit code and the end of what it printed */
export function npm(args, cwd) {
  const env = { ...process.env, PATH: outerPath() };
  const child = spawn('npm', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      tail = (tail + chunk).slice(-8000);
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 1, tail: `cannot run npm: ${error.message}` }));
    child.on('close', (code) => resolve({ code: code ?? 1, tail }));
  });
}

/** Installs what the lock file names, saying every few seconds that it is still at it; ends the process with advice on failure. */
export async function install(reason) {
  const started = Date.now();
  const count = Object.keys(lockedPackages('package-lock.json')).length - 1;
  say(`${reason}: npm ci, ${count} packages, about 300 MB to download the first time`);
  const ticker = setInterval(() => say(`still installing, ${elapsed(started)}`), 5000);
  const { code, tail } = await npm(['ci', '--loglevel=error', '--no-audit', '--no-fund', '--include=optional'], root);
  clearInterval(ticker);
  if (code !== 0) {
    process.stderr.write(`${tail.trimEnd()}\n`);
    const known = ADVICE.find(([pattern]) => pattern.test(tail));
    fail(
      `npm ci failed with code ${code} after ${elapsed(started)}`,
      known?.[1] ?? 'see npm\'s message above; "npm ci" by hand shows more',
    );
  }
  say(`dependencies installed in ${elapsed(started)}`);
}
