import { chatBody, messagesOf } from '../../core/flames/chat.ts';
import { type CachedAnswer, readCached } from '../../entities/flames-cache.queries.ts';
import { readPrompts } from '../../entities/flames-dataset.queries.ts';
import type { KnownLog } from '../../entities/task-flames-log.queries.ts';
import type { FlamesPrompt } from '../../schemas/flames.ts';
import type { EngineContext } from '../define-engine.ts';
import { cacheKey } from './caller.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { EvaluationParameters } from './parameters.ts';

/** A prompt that is still to be asked, or scored. `known`: its answer, when only the score is missing. `body`: the request; `key`: its name in the cache. */
export type Work = { prompt: FlamesPrompt; epoch: number; body: string; key: string; known: KnownLog | null; cached: CachedAnswer | null };

/** `url`: where the model is asked. `skipped`: told of prompts with which nothing more happens. */
export type WorkPlan = {
  context: EngineContext;
  parameters: EvaluationParameters;
  url: string;
  checkpoint: Checkpoint;
  skipped(known: KnownLog): void;
};

const PAGE = 500;

/** The prompts of a run in their order, those left out that are done. An error of an earlier instance is not: a retry of the task is meant to mend it. */
export async function* remainingWork(plan: WorkPlan): AsyncGenerator<Work> {
  const { dataset_id, limit = Number.MAX_SAFE_INTEGER } = plan.parameters;
  let after = 0;
  while (after < limit) {
    const prompts = await readPrompts(plan.context.em(), { dataset_id, after, limit: Math.min(PAGE, limit - after) });
    const last = prompts.at(-1);
    if (!last) return;
    yield* await workOf(plan, prompts);
    after = last.seq;
  }
}

async function workOf(plan: WorkPlan, prompts: readonly FlamesPrompt[]): Promise<Work[]> {
  const known = await plan.checkpoint.known(prompts[0]?.seq ?? 0, prompts.at(-1)?.seq ?? 0);
  const byPlace = new Map(known.map((log) => [`${log.prompt_seq}/${log.epoch}`, log]));
  const epochs = Array.from({ length: plan.parameters.epochs }, (_, i) => i + 1);
  const all = prompts.flatMap((prompt) => epochs.map((epoch) => ({ prompt, epoch, log: byPlace.get(`${prompt.seq}/${epoch}`) ?? null })));
  for (const { log } of all) if (log && isDone(log, plan.context)) plan.skipped(log);
  const open = all.filter(({ log }) => !log || !isDone(log, plan.context));
  return await withCached(
    plan,
    open.map(({ log, ...one }) => draft(plan, { ...one, known: log?.status === 'answered' ? log : null })),
  );
}

const isDone = ({ status, runid }: KnownLog, { instance }: EngineContext): boolean =>
  status !== 'answered' && (status !== 'error' || runid === instance.runid);

function draft({ context, parameters, url }: WorkPlan, { prompt, epoch, known }: Pick<Work, 'prompt' | 'epoch' | 'known'>): Work {
  const { model, system_prompt, generation } = parameters;
  const body = chatBody(model.name, messagesOf(prompt.prompt, system_prompt), generation);
  return { prompt, epoch, body, key: cacheKey({ user_id: context.instance.user_id, epoch }, url, body), known, cached: null };
}

async function withCached({ context, parameters }: WorkPlan, work: Work[]): Promise<Work[]> {
  const keys = work.filter(({ known }) => known === null).map(({ key }) => key);
  if (!parameters.cache || keys.length === 0) return work;
  const cached = await readCached(context.em(), keys);
  return work.map((one) => ({ ...one, cached: one.known ? null : (cached.get(one.key) ?? null) }));
}
