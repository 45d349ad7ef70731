import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { EngineError } from '../../core/errors.ts';

/** Environment variables that every process of a task carries; leftovers are found by them. */
export const RUNID_MARK = 'ORCHESTRATOR_RUNID';
export const WORKER_MARK = 'ORCHESTRATOR_WORKER';

/** A process of this machine as far as it can be read; zombies are not listed. */
export type FoundProcess = { pid: number; uid: number; runid: string | null; worker: string | null };

const quietly = async <T>(work: Promise<T>, otherwise: T): Promise<T> => await work.catch(() => otherwise);

function variable(environ: string, name: string): string | null {
  const prefix = `${name}=`;
  const entry = environ.split('\0').find((line) => line.startsWith(prefix));
  return entry ? entry.slice(prefix.length) : null;
}

async function describe(pid: number): Promise<FoundProcess | null> {
  const status = await quietly(readFile(`/proc/${pid}/status`, 'latin1'), '');
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  if (uid === undefined || /^State:\s+[ZX]/m.test(status)) return null;
  const environ = await quietly(readFile(`/proc/${pid}/environ`, 'latin1'), '');
  return { pid, uid: Number(uid), runid: variable(environ, RUNID_MARK), worker: variable(environ, WORKER_MARK) };
}

/** All processes of this machine, or none where there is no /proc (macOS): there the process group must do. */
export async function listProcesses(): Promise<FoundProcess[]> {
  const names = await quietly(readdir('/proc'), []);
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => describe(Number(name))));
  return found.filter((process) => process !== null);
}

/** Sends a signal to a process, or to a group by its negative number. @returns false when there is nobody to receive it */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Kills everything of a user id in one system call, which a program that forks faster than it is listed cannot outrun. */
async function killUser(uid: number): Promise<void> {
  const killer = spawn('/bin/sh', ['-c', 'kill -KILL -1'], { uid, gid: uid, env: {}, stdio: 'ignore' });
  await new Promise((done) => killer.once('error', done).once('exit', done));
}

/**
 * Kills whatever `matches` until nothing does any more, descendants in sessions of their own included.
 * @throws EngineError internal: something is still there after 10 s
 */
export async function killAll(matches: (found: FoundProcess) => boolean, uid: number | null = null): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const found = (await listProcesses()).filter((one) => one.pid !== process.pid && matches(one));
    if (found.length === 0) return killed.size;
    for (const { pid } of found) {
      killed.add(pid);
      signalProcess(pid, 'SIGKILL');
    }
    if (uid !== null && round > 0) await killUser(uid);
    await pause(Math.min(5 + round * 5, 50));
  }
  throw new EngineError('internal', `processes ${[...killed].slice(-5).join(', ')} of a shell task could not be killed within 10 s`);
}
