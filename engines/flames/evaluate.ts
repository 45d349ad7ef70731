import type { Agent } from 'undici';
import { isHopeless } from '../../core/flames/verdict.ts';
import { ended, type Outcome } from '../../core/outcome.ts';
import { findDataset } from '../../entities/flames-dataset.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { EngineContext } from '../define-engine.ts';
import { stoppedOutcome, stopReason } from '../stopped.ts';
import { type Asking, handle } from './ask.ts';
import { Caller } from './caller.ts';
import { openCheckpoint } from './checkpoint.ts';
import { conclude, tooManyErrors } from './conclude.ts';
import { chatUrl, openEndpoint } from './endpoint.ts';
import { isStop, whileAway } from './faults.ts';
import { figuresFrom } from './figures.ts';
import { type CallSignals, callSignals, runLanes } from './lanes.ts';
import { writeCopy } from './log-files.ts';
import type { EvaluationParameters } from './parameters.ts';
import { RowStore } from './row-store.ts';
import { openScorer } from './scorers/index.ts';
import { Tracker } from './tracker.ts';
import { remainingWork, type Work, type WorkPlan } from './work.ts';

/** `cache_hours`: how long answers are kept for others to come. */
export type FlamesTools = { agent: Agent; cache_hours: number };
type Evaluation = FlamesTools & { parameters: EvaluationParameters; context: EngineContext };

/** Why a run ends before all prompts are asked, other than being told to. */
type Halt = { code: 'model_unusable' | 'judge_unusable' | 'too_many_errors'; message: string };

const AWAY_MS = 60_000;

/** An evaluation from where its rows say that it stands to its end. */
export async function evaluate({ parameters, context, ...tools }: Evaluation): Promise<Outcome> {
  const { task_id } = context.instance;
  const dataset = await findDataset(context.em(), parameters.dataset_id, { user_id: null });
  if (!dataset) return ended('failed', { code: 'not_found', message: `dataset ${parameters.dataset_id}: there is none any more` });
  const total = Math.min(dataset.prompts, parameters.limit ?? dataset.prompts) * parameters.epochs;
  const calls = callSignals(context.signal, () => context.graceS());
  try {
    const tracker = new Tracker(total, ({ percent, done }) => context.progress(percent, `${done} of ${total} prompts`));
    const options = { agent: tools.agent, signals: calls, timeout_s: parameters.request_timeout_s };
    const caller = new Caller({ ...options, concurrency: parameters.concurrency, max_retries: parameters.max_retries });
    const url = chatUrl(parameters.model.base_url);
    const endpoint = await openEndpoint({ ...parameters.model, url }, context);
    const scorer = await openScorer(parameters.scorer, { context, caller, cache: parameters.cache });
    if (!(await begin(context, total))) return ended('failed', { code: 'not_found', message: `run ${task_id}: it was deleted` });
    const checkpoint = await openCheckpoint(context, task_id);
    const store = new RowStore(
      { context, task_id, scorer: parameters.scorer.kind, cache_hours: tools.cache_hours, tracker },
      checkpoint.behind,
    );
    const plan: WorkPlan = { context, parameters, url, checkpoint, skipped: ({ status, cached }) => tracker.settle(status, cached) };
    const halt = await askAll({ plan, tracker, calls, asking: { caller, endpoint, scorer, store, cache: parameters.cache } });
    return await finish({ parameters, context, tracker, caller, store, halt });
  } finally {
    calls.close();
  }
}

/** @returns false when the run's row is gone */
async function begin(context: EngineContext, total: number): Promise<boolean> {
  const sql = 'update task_flames set total = $2, has_files = true, repair_at = null, repair_tries = 0 where task_id = $1 returning 1';
  return (await context.fenced((em) => query(em, sql, [context.instance.task_id, total]))).length > 0;
}

type AskAll = { plan: WorkPlan; tracker: Tracker; calls: CallSignals; asking: Omit<Asking, 'fatal'> };

async function* counted(plan: WorkPlan, tracker: Tracker): AsyncGenerator<Work> {
  yield* remainingWork(plan);
  tracker.all_asked = true;
}

/** Asks everything that is left; ends quietly when it is told to stop. @returns why it ended before its time; null: it did not */
async function askAll({ plan, tracker, calls, asking }: AskAll): Promise<Halt | null> {
  const { context, parameters } = plan;
  let halt: Halt | null = null;
  const stopFor = (code: Halt['code'], message: string) => {
    halt ??= { code, message };
    calls.halt();
  };
  const one = async (work: Work) => {
    await handle({ ...asking, fatal: stopFor }, work);
    if (isHopeless({ total: tracker.total, errors: tracker.counts.error }, parameters)) stopFor('too_many_errors', '');
  };
  await context.log.system(`asking ${parameters.model.name} about ${tracker.total} prompts, at most ${parameters.concurrency} at once`);
  const options = { count: parameters.concurrency, isStopped: () => calls.starting.aborted, handle: one, failed: calls.abort };
  await runLanes(counted(plan, tracker), options).catch((cause: unknown) => {
    if (!isStop(cause) || !calls.starting.aborted) throw cause;
  });
  return halt;
}

/** Another execution goes on with the run: it has no figures yet. */
const goesOnElsewhere = (signal: AbortSignal): boolean => ['superseded', 'shutdown'].includes(stopReason(signal));

type Finish = Pick<Evaluation, 'parameters' | 'context'> & { tracker: Tracker; caller: Caller; store: RowStore; halt: Halt | null };

async function finish({ parameters, context, tracker, caller, store, halt }: Finish): Promise<Outcome> {
  const { task_id } = context.instance;
  if (context.signal.aborted && goesOnElsewhere(context.signal)) {
    if (stopReason(context.signal) === 'shutdown') await store.flush();
    return stoppedOutcome(context);
  }
  const logs = await store.close();
  const figures = await whileAway(AWAY_MS, () => figuresFrom(logs, context.em(), { artifacts: context.artifacts, task_id }));
  await whileAway(AWAY_MS, () => context.fenced((em) => saveFigures(em, { task_id, figures, tracker, logs })));
  if (logs === 'database') await copy(context);
  if (context.signal.aborted) return stoppedOutcome(context, { done: tracker.done, total: tracker.total });
  await context.log.system(`${tracker.done} of ${tracker.total} done with ${caller.sent} calls, ${tracker.cached} answers from the cache`);
  const ending = { parameters, run: task_id, score_set: null, figures, tracker, caller, logs };
  if (halt === null) return conclude(ending);
  return halt.code === 'too_many_errors' ? tooManyErrors(ending) : ended('failed', halt);
}

type Save = { task_id: string; figures: object; tracker: Tracker; logs: 'database' | 'files' };

async function saveFigures(em: Em, { task_id, figures, tracker, logs }: Save): Promise<void> {
  await query(
    em,
    `update task_flames set result = $2::jsonb, done = $3, failed = $4, logs = $5,
       repair_at = case when $5 = 'files' then clock_timestamp() + interval '5 seconds' end where task_id = $1`,
    [task_id, JSON.stringify(figures), tracker.done, tracker.counts.error, logs],
  );
}

/** The table has the rows; a copy of them that cannot be written is only a pity. */
async function copy(context: EngineContext): Promise<void> {
  await writeCopy(context.em(), context.artifacts, context.instance.task_id).catch((cause: unknown) => {
    context.logger.warn({ err: cause }, 'the copy of the log rows could not be written');
  });
}
