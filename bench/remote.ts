import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../core/errors.ts';

type Message = { id: number; method: string; argument: unknown };
type Answer = { id: number; value?: unknown; error?: string };

/** What a process of the benchmark can be asked for: functions of one plain argument. */
// biome-ignore lint/suspicious/noExplicitAny: arguments of any plain shape
export type Methods = Record<string, (argument: any) => Promise<unknown>>;

/** A child process with its methods. `pid` names it in the accounts of CPU and memory. */
export type Remote<M extends Methods> = {
  pid: number;
  call<K extends keyof M & string>(method: K, argument: Parameters<M[K]>[0]): Promise<Awaited<ReturnType<M[K]>>>;
  stop(): Promise<void>;
};

/** `options`: a plain value that the child gets from `serve`; `log_file` takes what it prints; `exec_argv`: flags of Node. */
export type RemoteOptions = { options: unknown; log_file: string; exec_argv?: readonly string[] };

const STOP_MS = 20_000;

/** Answers the parent until it lets go; the child ends then. `open` makes the methods from the parent's options and how to close them. */
export async function serve<O>(open: (options: O) => Promise<{ methods: Methods; close(): Promise<void> }>): Promise<void> {
  const { methods, close } = await open(JSON.parse(process.argv[2] ?? 'null') as O);
  process.on('message', ({ id, method, argument }: Message) => {
    void answer(methods, method, argument).then((result) => process.send?.({ id, ...result }));
  });
  process.once('disconnect', () => void close().finally(() => process.exit()));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  process.send?.({ id: 0 });
}

async function answer(methods: Methods, method: string, argument: unknown): Promise<Omit<Answer, 'id'>> {
  try {
    return { value: await methods[method]?.(argument) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/**
 * Starts `bench/<script>` as a process of its own and waits until it serves.
 * @throws EngineError internal: it ended instead
 */
export async function startRemote<M extends Methods>(
  script: string,
  { options, log_file, exec_argv = [] }: RemoteOptions,
): Promise<Remote<M>> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const fd = openSync(log_file, 'a');
  const child = fork(file, [JSON.stringify(options)], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...exec_argv],
    stdio: ['ignore', fd, fd, 'ipc'],
  });
  closeSync(fd);
  const { ask, pending } = conversation(child, (end) => `${script} ended (${end}): ${readFileSync(log_file, 'utf8').slice(-2000)}`);
  unwrap(await pending(0));
  return {
    pid: child.pid ?? 0,
    call: async (method, argument) => unwrap(await ask(method, argument)) as never,
    stop: () => stop(child),
  };
}

/** Matches answers to questions; when the child ends, all that wait get `lastWords` as their error. */
function conversation(child: ChildProcess, lastWords: (end: string) => string) {
  const waiting = new Map<number, (answer: Answer) => void>();
  let ended: string | null = null;
  let asked = 0;
  child.on('message', (message: Answer) => {
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  child.once('exit', (code, signal) => {
    ended = lastWords(signal ?? `code ${code}`);
    for (const [id, resolve] of waiting) resolve({ id, error: ended });
  });
  const pending = (id: number): Promise<Answer> =>
    ended === null ? new Promise((resolve) => waiting.set(id, resolve)) : Promise.resolve({ id, error: ended });
  const ask = (method: string, argument: unknown): Promise<Answer> => {
    asked += 1;
    const answer = pending(asked);
    if (ended === null) child.send({ id: asked, method, argument });
    return answer;
  };
  return { ask, pending };
}

function unwrap({ value, error }: Answer): unknown {
  if (error !== undefined) throw new EngineError('internal', error);
  return value;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended.finally(() => clearTimeout(timer));
}
