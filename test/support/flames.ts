import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { fenced } from '../../activities/fenced.ts';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import type { CommandContext } from '../../commands/context.ts';
import { createFlamesDataset } from '../../commands/create-flames-dataset.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { FLAMES_MAPPING } from '../../core/flames/dataset.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { EngineContext, StopReason } from '../../engines/define-engine.ts';
import { createFlamesEngine } from '../../engines/flames/index.ts';
import { type Em, query } from '../../entities/sql.ts';
import { engineRun, type TestRun } from './engine-context.ts';
import { makeTemplate, makeWorld, startTask } from './factories.ts';
import { flamesFile } from './flames-data.ts';
import type { ModelServer } from './model-server.ts';

export const flamesEngine = createFlamesEngine({ OUTBOUND_ALLOW: ['127.0.0.1'], FLAMES_CACHE_HOURS: 1 });

const DIMENSIONS = ['Fairness', 'Safety', 'Morality', 'Legality', 'Data protection'];

let datasets = 0;

/**
 * A dataset of the context's user: so many made-up prompts, or the public ones. Prompts' texts decide how the model server behaves, so names are counted,
 * not drawn: each run of a test asks the same. @returns its id
 */
export async function makeDataset(ctx: CommandContext, prompts: number | 'public', name = `dataset ${++datasets}`): Promise<number> {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      JSON.stringify({ dimension: DIMENSIONS[i % 5], subcomponent: `part ${i % 2}`, prompt: `问题 ${i} ${name}` }),
    );
  const stream = prompts === 'public' ? createReadStream(flamesFile.path) : Readable.from([Buffer.from(lines(prompts).join('\n'))]);
  const { dataset } = await createFlamesDataset(ctx, { name, shared: false, format: 'jsonl', mapping: FLAMES_MAPPING, stream });
  return dataset.id;
}

/** A world with the template `f` of engine flames. */
export async function makeFlamesWorld(em: Em): Promise<CommandContext> {
  const ctx = await makeWorld(em, { worker: { engines: ['empty', 'flames'] } });
  await makeTemplate(em, 'f', { engine: 'flames' });
  return ctx;
}

/** Parameters of an evaluation on a model server, judged by the model `judge` there. */
export const evaluationOf = (server: ModelServer, dataset_id: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  dataset_id,
  model: { base_url: server.base_url, name: 'model' },
  scorer: { kind: 'judge_llm', base_url: server.base_url, name: 'judge' },
  ...more,
});

export const RULES = { kind: 'rules', rules: [{ match: 'regex', pattern: '^回答', score: 3 }], otherwise: 1 };

/** One execution of the engine on a real instance. `end` gives how it ended, and makes the instance and its task end so. */
export type FlamesRun = {
  task_id: string;
  runid: string;
  run: TestRun;
  context: EngineContext;
  system: () => string[];
  stop(reason: StopReason): void;
  outcome(): Promise<Outcome>;
  end(): Promise<Outcome>;
};

/** Where flames tests keep artifacts; removed by `remove`. */
export async function makeArtifacts() {
  const folder = await mkdtemp(path.join(tmpdir(), 'flames-artifacts-'));
  return { folder, store: createFolderStore(folder), remove: () => rm(folder, { recursive: true, force: true }) };
}
export type TestArtifacts = Awaited<ReturnType<typeof makeArtifacts>>;

type Begin = {
  ctx: CommandContext;
  parameters: Record<string, unknown>;
  artifacts: TestArtifacts;
  fork?: () => Em;
  secrets?: Record<string, string>;
  grace_s?: number;
};

/** Submits a flames task, admits and claims it. */
export async function beginRun(begin: Begin): Promise<FlamesRun> {
  const { task, runid } = await startTask(begin.ctx, { item: { template: 'f', parameters: begin.parameters } });
  return await executionOf(begin, { task_id: task.uuid, runid, execution: 1, attempt: 1 });
}

/** The next execution of an instance, as after a worker's crash. */
export async function nextExecution(begin: Begin, { task_id, runid }: FlamesRun, execution: number): Promise<FlamesRun> {
  await query(begin.ctx.em, 'update instances set lease_epoch = $2 where runid = $1', [runid, execution]);
  return await executionOf(begin, { task_id, runid, execution, attempt: 1 });
}

type Which = { task_id: string; runid: string; execution: number; attempt: number };

export async function executionOf(begin: Begin, which: Which): Promise<FlamesRun> {
  const { ctx, parameters, artifacts, secrets, grace_s } = begin;
  const fork = begin.fork ?? (() => ctx.em.fork() as Em);
  const run = await engineRun({ em: fork, instance: { ...which, user_id: ctx.actor.id }, secrets, grace_s });
  const context = { ...run.context, artifacts: artifacts.store, fenced: <T>(work: (em: Em) => Promise<T>) => fenced(fork(), which, work) };
  const outcome = async () => await flamesEngine.run(flamesEngine.parameters.parse(parameters), context).finally(() => run.close());
  const end = async () => {
    const ended = await outcome();
    await finishInstances(ctx.em.fork() as Em, [{ runid: which.runid, lease_epoch: which.execution, outcome: ended }], 'test');
    return ended;
  };
  return { ...which, run: { ...run, context }, context, system: () => run.of('system'), stop: run.stop, outcome, end };
}

export type LogRow = {
  prompt_seq: number;
  epoch: number;
  dimension: string;
  prompt: string;
  response: string | null;
  predicted: number | null;
  status: string;
  error: string | null;
  judgement: string | null;
  attempts: number;
  cached: boolean;
  scorer: string | null;
  runid: string | null;
};

export const logRows = async (em: Em, task_id: string): Promise<LogRow[]> =>
  await query<LogRow>(em.fork() as Em, 'select * from task_flames_logs where task_id = $1 order by prompt_seq, epoch', [task_id]);

export type RunRow = {
  task_id: string;
  status: string;
  total: number;
  done: number;
  failed: number;
  logs: string;
  result: { overall: Record<string, number | null> } | null;
  error: { code: string } | null;
  start_time: string | null;
  end_time: string | null;
  repair_at: string | null;
  model: string | null;
  scorer: string | null;
};

export const runRow = async (em: Em, task_id: string): Promise<RunRow> =>
  (await query<RunRow>(em.fork() as Em, 'select * from task_flames where task_id = $1', [task_id]))[0] as RunRow;
