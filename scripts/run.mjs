/**
 * `node scripts/run.mjs <target> [arguments…]`: installs the dependencies when they are missing or stale, then runs the target with
 * the project's Node 24. Plain JavaScript for Node >= 20, because it is the first thing that runs after a clone.
 * A target is a `.ts` file or a tool of `node_modules/.bin`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fail, root } from './console.mjs';
import { install, staleness } from './install.mjs';
import { findNode24 } from './node-24.mjs';

const ES_MODULES = '--experimental-vm-modules';
const QUIET = '--disable-warning=ExperimentalWarning';

/** Arguments for Node 24 that run the target. */
function commandOf(target, rest) {
  if (target.endsWith('.ts') || target.endsWith('.mjs')) return [QUIET, path.resolve(root, target), ...rest];
  const tool = path.join(root, 'node_modules', '.bin', target);
  if (!existsSync(tool))
    fail(`"${target}" is neither a .ts file nor a tool in node_modules/.bin`, 'see "scripts" in package.json for what there is');
  return target === 'jest' ? [ES_MODULES, QUIET, tool, ...rest] : [tool, ...rest];
}

/** Environment of the target: the project's tools and Node first, also for what it starts in turn. */
function environmentFor(node, target) {
  const env = {
    ...process.env,
    PATH: [path.dirname(node), path.join(root, 'node_modules', '.bin'), process.env.PATH].join(path.delimiter),
  };
  // Stripped types and compiled code are kept, so that later starts of any part take half the time.
  if (target.endsWith('.ts')) env.NODE_COMPILE_CACHE ??= path.join(root, 'node_modules', '.cache', 'node');
  if (target === 'jest') env.NODE_OPTIONS = [process.env.NODE_OPTIONS, ES_MODULES, QUIET].filter(Boolean).join(' ');
  return env;
}

/** Runs the command until its end, passing signals on; this process ends as the command does. */
function forward(node, args, env) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const child = spawn(node, args, { stdio: 'inherit', env });
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`, 'delete node_modules and run the same command again'));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

const [target, ...rest] = process.argv.slice(2);
if (!target) fail('no target given', 'usage: node scripts/run.mjs <file.ts or tool> [arguments…]');
if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`Node ${process.version} is too old`, 'install Node 20 or later (https://nodejs.org)');
const reason = staleness();
if (reason) await install(reason);
const node24 = await findNode24();
forward(node24, commandOf(target, rest), environmentFor(node24, target));
