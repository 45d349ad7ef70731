import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { access, chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { EngineError } from '../../core/errors.ts';
import type { ShellParameters } from './parameters.ts';
import { RUNID_MARK, WORKER_MARK } from './processes.ts';

/** A started command with all three pipes. */
export type ShellChild = ChildProcessByStdio<Writable, Readable, Readable>;
export type Launch = {
  parameters: ShellParameters;
  env: Record<string, string>;
  home: string;
  runid: string;
  worker: string;
  uid: number | null;
};

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SCRIPT_NAME = '.task-script';
let wrapper: Promise<string[]> | null = null;

async function tryWrapper(file: string): Promise<string[] | null> {
  const argv = [file, '--pdeathsig', 'KILL', '--no-new-privs', '--'];
  if (
    await access(file).then(
      () => false,
      () => true,
    )
  )
    return null;
  const probe = spawn(file, [...argv.slice(1), 'true'], { stdio: 'ignore', env: { PATH: DEFAULT_PATH } });
  const code = await new Promise((done) => probe.once('error', () => done(null)).once('exit', done));
  return code === 0 ? argv : null;
}

/** util-linux's setpriv in front of the command: the kernel kills it with the worker, and it cannot gain rights. Empty where there is none. */
export async function findWrapper(): Promise<string[]> {
  wrapper ??= (async () => (await tryWrapper('/usr/bin/setpriv')) ?? (await tryWrapper('/bin/setpriv')) ?? [])();
  return await wrapper;
}

async function makeWorkingFolder({ parameters, home, uid }: Launch): Promise<string> {
  let folder = home;
  for (const part of path.posix
    .normalize(parameters.working_folder ?? '.')
    .split('/')
    .filter((name) => name !== '.' && name !== '')) {
    folder = path.join(folder, part);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (uid !== null) await chown(folder, uid, uid);
  }
  return folder;
}

async function commandOf({ parameters, home, uid }: Launch): Promise<string[]> {
  if (parameters.argv) return parameters.argv;
  const script = parameters.script ?? '';
  const file = path.join(home, SCRIPT_NAME);
  await writeFile(file, script, { mode: 0o700 });
  if (uid !== null) await chown(file, uid, uid);
  return script.startsWith('#!') ? [file] : ['/bin/sh', '-e', file];
}

const environmentOf = ({ env, home, runid, worker }: Launch): Record<string, string> => ({
  PATH: DEFAULT_PATH,
  HOME: home,
  LANG: 'C.UTF-8',
  ...env,
  [RUNID_MARK]: runid,
  [WORKER_MARK]: worker,
});

/**
 * Starts the command in a session of its own, with an empty environment but for what is stated, as the user given. The user is
 * changed before anything named by the task's environment (such as LD_PRELOAD) is looked at.
 * @throws EngineError unavailable: this machine cannot start processes now (memory, process or file limits)
 */
export async function launch(options: Launch): Promise<ShellChild | { missing: string }> {
  const [cwd, command, prefix] = await Promise.all([makeWorkingFolder(options), commandOf(options), findWrapper()]);
  const [file = '', ...args] = [...prefix, ...command];
  const ids = options.uid === null ? {} : { uid: options.uid, gid: options.uid };
  const child = spawn(file, args, { cwd, env: environmentOf(options), detached: true, stdio: 'pipe', ...ids });
  if (child.pid !== undefined) return child;
  const error = await new Promise<NodeJS.ErrnoException>((done) => child.once('error', done));
  if (['ENOENT', 'EACCES', 'ENOEXEC', 'E2BIG', 'ENOTDIR'].includes(error.code ?? '')) return { missing: error.message };
  throw new EngineError('unavailable', `shell: cannot start a process: ${error.message}`, { cause: error });
}
