import { type FlamesFigures, figuresOfRun } from '../../core/flames/report.ts';
import { isHopeless } from '../../core/flames/verdict.ts';
import { ended, type Outcome } from '../../core/outcome.ts';
import { type CachedAnswer, storeCached } from '../../entities/flames-cache.queries.ts';
import { insertScores, type NewScore, readUnscored, scoredSoFar, tallyScores, type Unscored } from '../../entities/flames-score.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { scoreSetOfTask } from '../../entities/task-flames.queries.ts';
import type { EngineContext } from '../define-engine.ts';
import { stoppedOutcome } from '../stopped.ts';
import { Batcher } from './batcher.ts';
import { Caller } from './caller.ts';
import { conclude, tooManyErrors } from './conclude.ts';
import type { FlamesTools } from './evaluate.ts';
import { isStop } from './faults.ts';
import { type CallSignals, callSignals, runLanes } from './lanes.ts';
import type { FlamesParameters } from './parameters.ts';
import type { Scorer } from './scorers/define-scorer.ts';
import { openScorer } from './scorers/index.ts';
import { Tracker } from './tracker.ts';

type Rescoring = FlamesTools & { parameters: FlamesParameters; context: EngineContext };
type Row = { score: NewScore; kept: CachedAnswer[] };
type Halt = { code: 'judge_unusable' | 'too_many_errors'; message: string };

const PAGE = 200;

/** Gives the stored responses of a run other scores, from where the score set stands to its end. No model is asked. */
export async function rescore({ parameters, context, agent, cache_hours }: Rescoring): Promise<Outcome> {
  const set = await scoreSetOfTask(context.em(), context.instance.task_id);
  if (!set) return ended('failed', { code: 'not_found', message: `run ${parameters.rescore_of}: there is none any more` });
  const calls = callSignals(context.signal, () => context.graceS());
  try {
    const { total, settled } = await scoredSoFar(context.em(), { score_set_id: set.id, runid: context.instance.runid });
    if (total === 0) return ended('failed', { code: 'not_found', message: `run ${set.task_id}: it has no rows to score` });
    const tracker = new Tracker(total, ({ percent, done }) => context.progress(percent, `${done} of ${total} responses`));
    for (const { status, count } of settled) tracker.settle(status, false, count);
    const limits = { concurrency: parameters.concurrency, max_retries: parameters.max_retries, timeout_s: parameters.request_timeout_s };
    const caller = new Caller({ agent, signals: calls, ...limits });
    const scorer = await openScorer(parameters.scorer, { context, caller, cache: parameters.cache });
    await context.log.system(`scoring ${total} responses of run ${set.task_id} by ${parameters.scorer.kind}`);
    const halt = await scoreAll({ parameters, context, set, scorer, tracker, calls, cache_hours });
    const figures = figuresOfRun(await tallyScores(context.em(), set.id));
    await context.fenced((em) => saveFigures(em, { id: set.id, figures, tracker }));
    if (context.signal.aborted) return stoppedOutcome(context, { done: tracker.done, total });
    const ending = { parameters, run: set.task_id, score_set: set.id, figures, tracker, caller, logs: 'database' as const };
    if (halt === null) return conclude(ending);
    return halt.code === 'too_many_errors' ? tooManyErrors(ending) : ended('failed', halt);
  } finally {
    calls.close();
  }
}

type ScoreAll = Pick<Rescoring, 'parameters' | 'context' | 'cache_hours'> & {
  set: { id: number };
  scorer: Scorer;
  tracker: Tracker;
  calls: CallSignals;
};

async function scoreAll({ parameters, context, set, scorer, tracker, calls, cache_hours }: ScoreAll): Promise<Halt | null> {
  let halt: Halt | null = null;
  const stopFor = (code: Halt['code'], message: string) => {
    halt ??= { code, message };
    calls.halt();
  };
  const rows = new Batcher<Row>((batch) => store({ context, set, cache_hours, tracker }, batch), PAGE);
  const one = async (response: Unscored) => {
    const { fatal, kept, ...scored } = await scoreOne(scorer, response);
    await rows.add({ score: { log_id: response.log_id, ...scored }, kept: kept ? [kept] : [] });
    tracker.settle(scored.status, false);
    if (fatal) stopFor('judge_unusable', scored.error ?? 'the judge cannot be used');
    else if (isHopeless({ total: tracker.total, errors: tracker.counts.error }, parameters)) stopFor('too_many_errors', '');
  };
  const options = { count: parameters.concurrency, isStopped: () => calls.starting.aborted, handle: one, failed: calls.abort };
  await runLanes(unscored(context, set.id), options).catch((cause: unknown) => {
    if (!isStop(cause) || !calls.starting.aborted) throw cause;
  });
  return halt;
}

async function* unscored({ em, instance }: EngineContext, score_set_id: number): AsyncGenerator<Unscored> {
  let after = { seq: 0, epoch: 0 };
  for (;;) {
    const page = await readUnscored(em(), { score_set_id, runid: instance.runid, after, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = { seq: last.prompt_seq, epoch: last.epoch };
  }
}

type ScoredRow = Omit<NewScore, 'log_id'> & { fatal?: boolean; kept?: CachedAnswer };

/** A prompt that came to no answer has none to score. */
async function scoreOne(scorer: Scorer, { response, status, error, ...rest }: Unscored): Promise<ScoredRow> {
  if (response === null || status === 'refused') {
    return { predicted: null, status: status === 'refused' ? 'refused' : 'error', error: error ?? 'there is no response', judgement: null };
  }
  const question = { ...rest, response };
  return (await scorer.recall?.(question)) ?? (await scorer.score(question));
}

type Store = Pick<ScoreAll, 'context' | 'set' | 'cache_hours' | 'tracker'>;

async function store({ context, set, cache_hours, tracker }: Store, batch: readonly Row[]): Promise<void> {
  const { runid, user_id } = context.instance;
  await context.fenced(async (em) => {
    await insertScores(
      em,
      { score_set_id: set.id, runid },
      batch.map(({ score }) => score),
    );
    await storeCached(
      em,
      { user_id, hours: cache_hours },
      batch.flatMap(({ kept }) => kept),
    );
    await query(em, 'update flames_score_set set done = $2, failed = $3, total = $4 where id = $1', [
      set.id,
      tracker.done,
      tracker.counts.error,
      tracker.total,
    ]);
  });
}

async function saveFigures(em: Em, { id, figures, tracker }: { id: number; figures: FlamesFigures; tracker: Tracker }): Promise<void> {
  await query(em, 'update flames_score_set set result = $2::jsonb, done = $3, failed = $4, total = $5 where id = $1', [
    id,
    JSON.stringify(figures),
    tracker.done,
    tracker.counts.error,
    tracker.total,
  ]);
}
