import { type ChildProcess, spawn } from 'node:child_process';
import { EngineError } from '../core/errors.ts';

/** How a process ended: `code` is null when a signal ended it. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

/** A running part: `exited` resolves once, whoever ended it; `stop` asks, and after its time limit insists. */
export type Running = { exited: Promise<Exit>; stop(limit_ms?: number): Promise<Exit> };

/** `stop_signal` without SIG; `log_fd` takes stdout and stderr; `owner` runs it as that user; `pid_file` gets its pid. */
export type GuardedCommand = {
  command: string;
  args: readonly string[];
  stop_signal: 'INT' | 'TERM';
  log_fd: number;
  cwd: string;
  env: NodeJS.ProcessEnv;
  owner: { uid: number; gid: number } | null;
  pid_file?: string;
};

/**
 * Waits for two things at once: the end of the command, whose exit code it passes on, and the end of its own standard input. The latter is
 * a pipe held by this process, so a server is asked to stop even when its supervisor was killed with SIGKILL.
 */
const GUARD = `
umask 077; exec 3<&0; signal=$1 pid_file=$2; shift 2
"$@" 3<&- </dev/null & child=$!
if [ -n "$pid_file" ]; then echo $child >"$pid_file"; fi
( read -r _ <&3; kill -s "$signal" $child ) 2>/dev/null & watcher=$!
exec 3<&-
wait $child; code=$?
kill -s KILL $watcher 2>/dev/null
exit $code`;

/** A shell reports a signal's death as 128 + its number; the two that matter for a log line. */
const SHELL_SIGNALS: Record<number, NodeJS.Signals> = { 137: 'SIGKILL', 143: 'SIGTERM', 139: 'SIGSEGV', 134: 'SIGABRT' };

/** Resolves when a child has ended; a command that could not be started at all counts as code 127. */
export function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.on('error', () => resolve({ code: 127, signal: null }));
    child.on('exit', (code, signal) => {
      const hidden = code === null ? undefined : SHELL_SIGNALS[code];
      resolve(hidden ? { code: null, signal: hidden } : { code, signal });
    });
  });
}

/** Resolves to the value, or to null after the time limit; leaves no timer behind. */
export async function within<T>(promise: Promise<T>, limit_ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limit_ms);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Sends a signal to a process or, when negative, a group that may be gone already. @returns whether it was there */
export function signalQuietly(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Starts a server in a session of its own, out of reach of the terminal's Ctrl-C, so that parts can be stopped in order; it never outlives this process.
 * @throws EngineError internal: the command could not be started
 */
export function spawnGuarded(options: GuardedCommand): Running {
  const child = spawn('/bin/sh', ['-c', GUARD, 'guard', options.stop_signal, options.pid_file ?? '', options.command, ...options.args], {
    detached: true,
    stdio: ['pipe', options.log_fd, options.log_fd],
    cwd: options.cwd,
    env: options.env,
    ...(options.owner ? { uid: options.owner.uid, gid: options.owner.gid } : {}),
  });
  const { pid, stdin } = child;
  if (pid === undefined || !stdin)
    throw new EngineError('internal', `${options.command}: could not be started; expected /bin/sh to run it`);
  stdin.on('error', () => undefined);
  const exited = exitOf(child);
  const stop = async (limit_ms = 30_000): Promise<Exit> => {
    stdin.end();
    const exit = await within(exited, limit_ms);
    if (exit) return exit;
    signalQuietly(-pid, 'SIGKILL');
    return await exited;
  };
  return { exited, stop };
}
