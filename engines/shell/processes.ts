import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
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

const pids = (): string[] => (existsSync('/proc/self') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []);
const ownerOf = (pid: string): number | undefined => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;

/** The processes of this machine that could be ours: all for root, else our own user's. None where there is no /proc (macOS): there the process group must do. */
export async function listProcesses(): Promise<FoundProcess[]> {
  const own = process.getuid?.();
  const candidates = own === 0 ? pids() : pids().filter((pid) => ownerOf(pid) === own);
  const found = await Promise.all(candidates.map((pid) => describe(Number(pid))));
  return found.filter((process) => process !== null);
}

/** Sends a signal to a process, or to a group by its negative number. @returns false when there is nobody to receive it */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  // 0 and -1 would be our own group, and everybody.
  if (pid === 0 || Math.abs(pid) === 1) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

const PATIENCE_MS = 10_000;

/** Repeats `round` until it says that nothing was left to kill. @throws EngineError internal: something is still there after 10 s */
async function untilGone(what: string, round: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let wait = 2; !(await round()); wait = Math.min(wait * 2, 50)) {
    if (performance.now() > deadline) throw new EngineError('internal', `${what} could not be killed within ${PATIENCE_MS / 1000} s`);
    await pause(wait);
  }
}

/** A dead process stays listed until its parent asks for it, which init may do seconds later. */
function isAlive(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Whether anything of this user runs. Synchronous, because one look costs less than handing it to another thread. */
function isActive(uid: number): boolean {
  return pids().some((pid) => ownerOf(pid) === uid && isAlive(pid));
}

/**
 * Kills everything of a user id, by one system call that its processes cannot outrun by forking, and waits until they are gone.
 * @throws EngineError internal: something is still there after 10 s
 */
export async function killUser(uid: number): Promise<void> {
  await untilGone(`processes of user id ${uid}`, async () => {
    const killer = spawn('/bin/sh', ['-c', 'kill -KILL -1'], { uid, gid: uid, env: {}, cwd: '/', stdio: 'ignore' });
    const code = await new Promise<number | null>((done) => {
      killer.once('error', () => done(null)).once('exit', done);
    });
    return code === 0 && !isActive(uid);
  });
}

/**
 * Kills whatever `matches` until nothing does any more, descendants in sessions of their own included. @returns how many
 * @throws EngineError internal: something is still there after 10 s
 */
export async function killAll(matches: (found: FoundProcess) => boolean): Promise<number> {
  const killed = new Set<number>();
  await untilGone('left-over processes of shell tasks', async () => {
    const found = (await listProcesses()).filter((one) => one.pid !== process.pid && matches(one));
    for (const { pid } of found) {
      killed.add(pid);
      signalProcess(pid, 'SIGKILL');
    }
    return found.length === 0;
  });
  return killed.size;
}
