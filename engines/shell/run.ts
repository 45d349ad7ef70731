import { setTimeout as pause } from 'node:timers/promises';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import type { EngineContext } from '../define-engine.ts';
import { maskedLog } from '../mask.ts';
import { resolveSecrets } from '../secret-values.ts';
import { stoppedOutcome, stopReason } from '../stopped.ts';
import type { ShellGuard } from './guard.ts';
import { makeHome, spareName } from './home.ts';
import { launch, type ShellChild } from './launch.ts';
import { OutputPump } from './output.ts';
import type { ShellParameters, ShellResult } from './parameters.ts';
import { killAll, killUser, signalProcess } from './processes.ts';
import { canChangeUser, takeUserId } from './user-ids.ts';

/** What the runs of one worker share. `active`: runids at work in this process. */
export type ShellHost = { worker: string; uid_base: number; guard: ShellGuard; active: Set<string> };
type Exit = { exit_code: number | null; signal: NodeJS.Signals | null };
type Started = { child: ShellChild; pid: number; uid: number | null; runid: string };

/** How long a process may take to end by itself after SIGTERM, in ms. */
const GRACE_MS: Record<ReturnType<typeof stopReason>, number> = { cancel: 5_000, timeout: 5_000, shutdown: 1_000, superseded: 0 };

const exitOf = async (child: ShellChild): Promise<Exit> =>
  await new Promise((done) => child.once('exit', (exit_code, signal) => done({ exit_code, signal })));

/** Kills what is left of the instance: everything of its user where it has one, else its group and what carries its mark. */
async function killRest({ pid, uid, runid }: Started): Promise<void> {
  signalProcess(-pid, 'SIGKILL');
  if (uid === null) await killAll((found) => found.runid === runid);
  else await killUser(uid);
}

/** On abort: SIGTERM to the group, SIGKILL to everything after the grace. @returns how to stop listening */
function obeyAbort(started: Started, { signal, graceS }: EngineContext, exit: Promise<Exit>): () => void {
  const stop = async (): Promise<void> => {
    const given = graceS();
    const grace = given === null ? GRACE_MS[stopReason(signal)] : given * 1_000;
    if (grace > 0) {
      signalProcess(-started.pid, 'SIGTERM');
      await Promise.race([exit, pause(grace, undefined, { ref: false })]);
    }
    signalProcess(-started.pid, 'SIGKILL');
  };
  const onAbort = (): void => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return () => signal.removeEventListener('abort', onAbort);
}

function outcomeOf({ exit_code, signal }: Exit, duration_s: number): Outcome {
  const result: ShellResult = { exit_code, signal, duration_s };
  if (exit_code === 0) return completed(result);
  if (signal) return ended('failed', { code: 'signal', message: `the command was killed by ${signal}`, details: result });
  return ended('failed', { code: 'exit_code', message: `the command ended with exit code ${exit_code}`, details: result });
}

function feed(child: ShellChild, stdin: string | undefined): void {
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin ?? '');
}

/** Follows a started command to its end. Whatever happens, nothing of it runs when this returns. */
async function follow(started: Started, context: EngineContext, stdin: string | undefined): Promise<{ exit: Exit; duration_s: number }> {
  const began = performance.now();
  const pump = new OutputPump(started.child, context.log, () => signalProcess(-started.pid, 'SIGKILL'));
  const exiting = exitOf(started.child);
  const deaf = obeyAbort(started, context, exiting);
  feed(started.child, stdin);
  const exit = await exiting;
  const duration_s = Math.round(performance.now() - began) / 1_000;
  deaf();
  await killRest(started);
  await pump.drain();
  return { exit, duration_s };
}

type Execution = { host: ShellHost; parameters: ShellParameters; context: EngineContext; uid: number | null };

async function execute({ host, parameters, context, uid }: Execution): Promise<Outcome> {
  const { runid } = context.instance;
  const { values: env, secrets } = await resolveSecrets(parameters.env, context, null);
  const log = maskedLog(context.log, secrets);
  const { home, remove } = await makeHome({ folder: context.folder, spare: spareName(host.worker, runid), uid });
  try {
    const child = await launch({ parameters, env, home, runid, worker: host.worker, uid });
    if ('missing' in child) return outcomeOf({ exit_code: child.missing.includes('ENOENT') ? 127 : 126, signal: null }, 0);
    const started = { child, pid: child.pid ?? 0, uid, runid };
    host.guard.add(started);
    const { exit, duration_s } = await follow(started, { ...context, log }, parameters.stdin).finally(() => host.guard.remove(runid));
    await log.end();
    return context.signal.aborted ? stoppedOutcome(context, { ...exit, duration_s }) : outcomeOf(exit, duration_s);
  } finally {
    await remove();
  }
}

/**
 * Runs a shell task from start to outcome, under a user id of its own where that is possible.
 * @throws EngineError superseded: stopped for another execution or by shutdown; unavailable: no process or user id to be had
 */
export async function runShell(host: ShellHost, parameters: ShellParameters, context: EngineContext): Promise<Outcome> {
  const { runid, execution } = context.instance;
  if (context.signal.aborted) return stoppedOutcome(context);
  if (execution > 1) await killAll((found) => found.runid === runid);
  host.active.add(runid);
  const user = canChangeUser() ? await takeUserId(host.uid_base) : null;
  try {
    return await execute({ host, parameters, context, uid: user?.uid ?? null });
  } finally {
    await user?.release();
    host.active.delete(runid);
  }
}
