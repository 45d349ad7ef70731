import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { ended, type Outcome } from '../../core/outcome.ts';
import type { EngineContext } from '../define-engine.ts';
import { maskedLog } from '../mask.ts';
import { resolveSecrets } from '../secret-values.ts';
import type { ShellGuard } from '../shell/guard.ts';
import { makeHome, spareName } from '../shell/home.ts';
import { launch, type ShellChild } from '../shell/launch.ts';
import type { ShellParameters } from '../shell/parameters.ts';
import { killAll, killUser, signalProcess } from '../shell/processes.ts';
import { canChangeUser, takeUserId } from '../shell/user-ids.ts';
import { type Emit, LineReader } from './detector-line.ts';

/** What commands of one worker share with its shell tasks. */
export type CommandHost = { worker: string; uid_base: number; guard: ShellGuard };
/** `name`: as messages call it. `stdin`: what it is fed; null: nothing. `read`: takes what it prints, to the end. */
export type CommandOrder = {
  host: CommandHost;
  argv: string[];
  env: ShellParameters['env'];
  source: string | null;
  name: string;
  stdin: Readable | null;
  read(output: AsyncIterable<Buffer>, log: EngineContext['log']): Promise<void>;
};

/** How long a command may take to end by itself after SIGTERM, in ms. */
const GRACE_MS = 3_000;
/** How long more of its output is waited for once it is gone, in ms: somebody may hold the pipe open. */
const DRAIN_MS = 2_000;

type Exit = { exit_code: number | null; signal: NodeJS.Signals | null };

/** On abort: SIGTERM to the group, SIGKILL after the grace. @returns how to stop listening */
function obeyAbort(pid: number, context: EngineContext, exit: Promise<unknown>): () => void {
  const stop = async (): Promise<void> => {
    const given = context.graceS();
    signalProcess(-pid, 'SIGTERM');
    await Promise.race([exit, pause(given === null ? GRACE_MS : given * 1_000, undefined, { ref: false })]);
    signalProcess(-pid, 'SIGKILL');
  };
  const onAbort = (): void => void stop();
  context.signal.addEventListener('abort', onAbort, { once: true });
  if (context.signal.aborted) onAbort();
  return () => context.signal.removeEventListener('abort', onAbort);
}

/** Reads frames as they are printed; while there is no room for more, nothing is read, and the detector waits in its pipe. */
export async function readFrames(output: AsyncIterable<Buffer>, emit: Emit, log: EngineContext['log']): Promise<void> {
  const decoder = new TextDecoder();
  const reader = new LineReader(emit, (line) => log.write('stdout', Buffer.from(`${line}\n`)));
  for await (const chunk of output) await reader.push(decoder.decode(chunk, { stream: true }));
  await reader.end();
}

async function copyErrors(output: AsyncIterable<Buffer>, log: EngineContext['log']): Promise<void> {
  for await (const chunk of output) await log.write('stderr', chunk);
}

const quietly = (work: Promise<void>): Promise<void> =>
  work.catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw cause;
  });

type Started = { child: ShellChild; pid: number; uid: number | null; runid: string };

/** Passes a stream on, and ends it when nothing more has come for a while after `end` was called: what was printed is read, however long that takes. */
function endedBy(stream: Readable): { output: AsyncIterable<Buffer>; end(): void } {
  let waits_since: number | null = null;
  let timer: NodeJS.Timeout | null = null;
  let over = false;
  async function* chunks(): AsyncGenerator<Buffer> {
    const source = stream[Symbol.asyncIterator]();
    try {
      for (;;) {
        waits_since = performance.now();
        const next = await source.next();
        waits_since = null;
        if (next.done) return;
        yield next.value as Buffer;
      }
    } finally {
      over = true;
      if (timer) clearInterval(timer);
    }
  }
  const end = (): void => {
    const given_up = () => waits_since !== null && performance.now() - waits_since > DRAIN_MS;
    if (!over) timer = setInterval(() => given_up() && stream.destroy(), DRAIN_MS / 8);
  };
  return { output: chunks(), end };
}

/** Feeds a program; when it goes, so does its source. */
function feed(child: ShellChild, source: Readable | null): void {
  child.stdin.on('error', () => source?.destroy());
  source?.on('error', () => child.stdin.end());
  if (source) source.pipe(child.stdin);
  else child.stdin.end();
}

/** Follows a command to its end; nothing of it runs afterwards. @throws what a frame of it makes go wrong */
async function follow(started: Started, context: EngineContext, { read, stdin }: CommandOrder): Promise<Exit> {
  const { child, pid, uid, runid } = started;
  const exit = new Promise<Exit>((done) => child.once('exit', (exit_code, signal) => done({ exit_code, signal })));
  const deaf = obeyAbort(pid, context, exit);
  feed(child, stdin);
  const streams = [endedBy(child.stdout), endedBy(child.stderr)] as const;
  const [printed, complained] = streams;
  const reading = Promise.all([quietly(read(printed.output, context.log)), quietly(copyErrors(complained.output, context.log))]);
  reading.catch(() => signalProcess(-pid, 'SIGKILL'));
  const how = await exit;
  deaf();
  signalProcess(-pid, 'SIGKILL');
  await (uid === null ? killAll((found) => found.runid === runid) : killUser(uid));
  stdin?.destroy();
  for (const { end } of streams) end();
  await reading;
  return how;
}

function outcomeOf({ exit_code, signal }: Exit, name: string): Outcome | null {
  if (exit_code === 0) return null;
  if (signal) return ended('failed', { code: 'signal', message: `${name} was killed by ${signal}` });
  return ended('failed', { code: 'exit_code', message: `${name} ended with exit code ${exit_code}`, details: { exit_code } });
}

async function execute(order: CommandOrder, context: EngineContext): Promise<Outcome | null> {
  const { host, argv, env, source, name } = order;
  const { runid } = context.instance;
  const { values, secrets } = await resolveSecrets(env, context, null);
  const log = maskedLog(context.log, secrets);
  const user = canChangeUser() ? await takeUserId(host.uid_base) : null;
  const uid = user?.uid ?? null;
  const { home, remove } = await makeHome({ folder: context.folder, spare: spareName(host.worker, runid), uid });
  try {
    const given: Record<string, string> = source === null ? {} : { DETECTION_SOURCE: source };
    const child = await launch({ parameters: { argv, env }, env: { ...given, ...values }, home, runid, worker: host.worker, uid });
    if ('missing' in child) return ended('failed', { code: 'exit_code', message: `${name} cannot be started: ${child.missing}` });
    const started = { child, pid: child.pid ?? 0, uid, runid };
    host.guard.add(started);
    const exit = await follow(started, { ...context, log }, order).finally(() => host.guard.remove(runid));
    return outcomeOf(exit, name);
  } finally {
    await log.end();
    await remove();
    await user?.release();
  }
}

/**
 * Runs a program that prints frames, under a user id of its own where that is possible, with an empty environment but for what is stated and
 * DETECTION_SOURCE. What it prints besides frames is in the log.
 * @returns null: it ended well
 * @throws EngineError invalid_input: a frame that is none, by its line; unavailable: no process or user id to be had
 */
export async function runCommand(order: CommandOrder, context: EngineContext): Promise<Outcome | null> {
  if (context.instance.execution > 1) await killAll((found) => found.runid === context.instance.runid);
  return await execute(order, context);
}
