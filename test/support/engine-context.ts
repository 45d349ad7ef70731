import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { EngineError } from '../../core/errors.ts';
import { createLineSplitter } from '../../core/lines.ts';
import type { EngineContext, EngineInstance, StopReason } from '../../engines/define-engine.ts';
import type { Em } from '../../entities/sql.ts';

export type TestLine = { stream: 'stdout' | 'stderr' | 'system'; text: string };
export type TestRun = {
  context: EngineContext;
  lines: TestLine[];
  /** Text of the lines of one stream. */
  of(stream: TestLine['stream']): string[];
  stop(reason: StopReason): void;
  /** Flushes unfinished lines and removes the folder. */
  close(): Promise<void>;
};
type Options = {
  /** The database of engines that keep rows of their own. */
  em?: () => Em;
  instance?: Partial<EngineInstance>;
  secrets?: Record<string, string>;
  lines_before?: number;
  folder?: string;
  /** What a cancellation leaves the work to end by itself. */
  grace_s?: number;
  /** Called before each write resolves; a slow log is made with it. */
  onWrite?: (chunk: Buffer) => Promise<void> | void;
};

const instanceOf = (given: Partial<EngineInstance> = {}): EngineInstance => ({
  runid: randomUUID(),
  task_id: randomUUID(),
  user_id: 1,
  template: 'test',
  attempt: 1,
  execution: 1,
  cpu: 0.5,
  memory_mb: 64,
  timeout: 60,
  ...given,
});

const noDatabase = (): never => {
  throw new Error('this engine was given no database');
};

/** An engine's surroundings in memory: lines are recorded as the real log would store them. */
export async function engineRun(options: Options = {}): Promise<TestRun> {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'engine-test-')));
  const controller = new AbortController();
  const lines: TestLine[] = [];
  const splitters = { stdout: createLineSplitter(), stderr: createLineSplitter() };
  const log: EngineContext['log'] = {
    lines_before: options.lines_before ?? 0,
    write: async (stream, chunk) => {
      await options.onWrite?.(chunk);
      for (const { text } of splitters[stream].push(chunk)) lines.push({ stream, text });
    },
    system: async (text) => void lines.push({ stream: 'system', text }),
  };
  const secret = async (name: string): Promise<string> => {
    const value = options.secrets?.[name];
    if (value === undefined) throw new EngineError('not_found', `secret "${name}": no such secret`);
    return value;
  };
  const logger = pino({ level: 'silent' });
  const em = options.em ?? noDatabase;
  return {
    context: {
      signal: controller.signal,
      graceS: () => options.grace_s ?? null,
      log,
      progress: () => undefined,
      instance: instanceOf(options.instance),
      folder,
      em,
      fenced: (work) => em().transactional((tx) => work(tx as Em)),
      artifacts: createFolderStore(path.join(folder, 'artifacts')),
      secret,
      logger,
    },
    lines,
    of: (stream) => lines.filter((line) => line.stream === stream).map((line) => line.text),
    stop: (reason) => controller.abort(reason),
    close: async () => {
      for (const stream of ['stdout', 'stderr'] as const) for (const { text } of splitters[stream].flush()) lines.push({ stream, text });
      if (!options.folder) await rm(folder, { recursive: true, force: true });
    },
  };
}
