import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { ToolExit } from '../../core/ffmpeg/failure.ts';
import { createGrowthWatch, type GrowthWatch } from '../../core/ffmpeg/growth.ts';
import { createProgressParser, type ProgressReport } from '../../core/ffmpeg/progress.ts';
import { findWrapper } from '../shell/launch.ts';
import { RUNID_MARK, signalProcess, WORKER_MARK } from '../shell/processes.ts';

/** Whose a process is: leftovers are found by the marks. `uid` null: the worker's own. */
export type ToolOwner = { runid: string; worker: string; uid: number | null };

/**
 * One run of ffmpeg, ffprobe or another tool that ends by itself. `stall_s`: seconds without growth after which it is killed; without `on_report` nothing
 * ever grows, so it is the longest that the tool may take.
 */
export type ToolRun = {
  file: string;
  argv: readonly string[];
  cwd: string;
  owner: ToolOwner;
  signal: AbortSignal;
  stall_s: number;
  /** For ffmpeg with `-progress pipe:1`: each report, as it comes. */
  on_report?: (report: ProgressReport) => void;
};

/** How it ended. `stdout`: the first megabyte of it, empty where reports were read from it. */
export type ToolResult = ToolExit & { stdout: string };

type Child = ChildProcessByStdio<null, Readable, Readable>;

const TAIL = 16_384;
const MOST_OUTPUT = 1_048_576;
/** How long a tool may take to end by itself when it is told to stop, in ms; it has two seconds in all to be gone. */
const GRACE_MS = 1_000;

/** Nothing of the worker's environment reaches a tool. */
const environmentOf = ({ runid, worker }: ToolOwner): Record<string, string> => ({
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  [RUNID_MARK]: runid,
  [WORKER_MARK]: worker,
});

/** Collects the end of a stream. */
function tailOf(stream: Readable): () => string {
  let tail = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    tail = (tail + chunk).slice(-TAIL);
  });
  return () => tail;
}

function headOf(stream: Readable): () => string {
  let head = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    if (head.length < MOST_OUTPUT) head += chunk.slice(0, MOST_OUTPUT - head.length);
  });
  return () => head;
}

function follow(child: Child, watch: GrowthWatch, on_report: ToolRun['on_report']): () => string {
  if (!on_report) return headOf(child.stdout);
  const parser = createProgressParser();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    for (const report of parser.push(chunk)) {
      watch.note(report, performance.now());
      on_report(report);
    }
  });
  return () => '';
}

/** Kills the group when nothing has grown for too long. A worker that was itself stopped meanwhile starts to count again. @returns how to end the watch */
function watchGrowth(watch: GrowthWatch, stall_s: number, kill: () => void): () => void {
  const every_ms = Math.min(1_000, (stall_s * 1_000) / 4);
  let looked = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - looked > every_ms + 5_000) watch.excuse(now);
    looked = now;
    if (watch.silentFor(now) >= stall_s * 1_000) kill();
  }, every_ms);
  return () => clearInterval(timer);
}

/** On abort: SIGTERM to the group, SIGKILL after a second. @returns how to stop listening */
function obeyAbort(signal: AbortSignal, pid: number, ended: Promise<unknown>): () => void {
  const stop = async (): Promise<void> => {
    signalProcess(-pid, 'SIGTERM');
    await Promise.race([ended, pause(GRACE_MS, undefined, { ref: false })]);
    signalProcess(-pid, 'SIGKILL');
  };
  const onAbort = (): void => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return () => signal.removeEventListener('abort', onAbort);
}

async function launch({ file, argv, cwd, owner }: ToolRun): Promise<Child | { failed: string }> {
  const [program = '', ...args] = [...(await findWrapper()), file, ...argv];
  const ids = owner.uid === null ? {} : { uid: owner.uid, gid: owner.uid };
  const child = spawn(program, args, { cwd, env: environmentOf(owner), detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...ids });
  if (child.pid !== undefined) return child;
  return { failed: (await new Promise<Error>((done) => child.once('error', done))).message };
}

/** Output that is still in the pipes when the process has gone is read, but nobody who holds a pipe open is waited for. */
async function drained(child: Child): Promise<void> {
  const closed = new Promise((done) => child.once('close', done));
  const open = [child.stdout, child.stderr].some((stream) => !stream.destroyed && !stream.readableEnded);
  if (open) await Promise.race([closed, pause(1_000, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
}

/**
 * Runs a tool in a process group of its own, with an empty environment, and follows it to its end. Whatever happens, nothing of it runs when this
 * returns. It never throws: what went wrong is in the result, for `toolFailure` to judge.
 */
export async function runTool(run: ToolRun): Promise<ToolResult> {
  const child = await launch(run);
  if ('failed' in child) return { exit_code: 127, signal: null, stalled: false, tail: child.failed, stdout: '' };
  const pid = child.pid ?? 0;
  let stalled = false;
  const watch = createGrowthWatch(performance.now());
  const stderr = tailOf(child.stderr);
  const stdout = follow(child, watch, run.on_report);
  const exit = new Promise<{ exit_code: number | null; signal: string | null }>((done) => {
    child.once('exit', (exit_code, signal) => done({ exit_code, signal }));
  });
  const unwatch = watchGrowth(watch, run.stall_s, () => {
    stalled = true;
    signalProcess(-pid, 'SIGKILL');
  });
  const deaf = obeyAbort(run.signal, pid, exit);
  const ended = await exit;
  unwatch();
  deaf();
  signalProcess(-pid, 'SIGKILL');
  await drained(child);
  return { ...ended, stalled, tail: stderr(), stdout: stdout() };
}
