import { readReply } from '../../core/flames/chat.ts';
import type { LogEntry } from '../../core/flames/log-entry.ts';
import type { CachedAnswer } from '../../entities/flames-cache.queries.ts';
import type { Caller } from './caller.ts';
import type { Endpoint } from './endpoint.ts';
import type { RowStore } from './row-store.ts';
import type { Scored, Scorer, ToScore } from './scorers/define-scorer.ts';
import { storable } from './storable.ts';
import type { Work } from './work.ts';

/** What one evaluation asks with. `fatal` is told of a failure after which no other call can succeed. */
export type Asking = {
  caller: Caller;
  endpoint: Endpoint;
  scorer: Scorer;
  store: RowStore;
  cache: boolean;
  fatal(code: 'model_unusable' | 'judge_unusable', message: string): void;
};

const LONGEST_ERROR = 500;

const startOf = ({ prompt, epoch }: Work): LogEntry => ({
  prompt_seq: prompt.seq,
  epoch,
  dimension: prompt.dimension,
  subcomponent: prompt.subcomponent,
  prompt: prompt.prompt,
  response: null,
  predicted: null,
  status: 'answered',
  error: null,
  judgement: null,
  attempts: 0,
  latency_ms: null,
  prompt_tokens: null,
  completion_tokens: null,
  cached: false,
});

type Answered = { entry: LogEntry; kept: CachedAnswer[] };

/** The model's answer: from an earlier execution, from the cache, or by asking. An entry that is settled afterwards came to no answer. */
async function answer(asking: Asking, work: Work): Promise<Answered> {
  const entry = startOf(work);
  if (work.known) {
    const { response, attempts, latency_ms, prompt_tokens, completion_tokens, cached } = work.known;
    return { entry: { ...entry, response, attempts, latency_ms, prompt_tokens, completion_tokens, cached }, kept: [] };
  }
  if (work.cached) {
    const { response, prompt_tokens, completion_tokens } = work.cached;
    return { entry: { ...entry, response, prompt_tokens, completion_tokens, cached: true }, kept: [] };
  }
  return await askModel(asking, work, entry);
}

async function askModel({ caller, endpoint, cache, fatal }: Asking, work: Work, start: LogEntry): Promise<Answered> {
  const { reply, attempts, latency_ms } = await caller.ask({ endpoint, body: work.body, read: readReply });
  const entry = { ...start, attempts, latency_ms };
  if (reply.kind === 'failed') {
    if (reply.fatal) fatal('model_unusable', reply.message);
    return { entry: { ...entry, status: 'error', error: `model: ${reply.message}`.slice(0, LONGEST_ERROR) }, kept: [] };
  }
  const { prompt_tokens, completion_tokens } = reply;
  const response = storable(reply.text);
  if (reply.kind === 'refused')
    return { entry: { ...entry, status: 'refused', error: 'the endpoint refused the prompt', response: response || null }, kept: [] };
  const kept = cache ? [{ key: work.key, response, prompt_tokens, completion_tokens }] : [];
  return { entry: { ...entry, response, prompt_tokens, completion_tokens }, kept };
}

/**
 * Takes one prompt to its end: answer, score, row. The answer is stored before a judge is asked, so that a crash never pays for it twice.
 * @throws what the store throws, and the reason of the signal of calls
 */
export async function handle(asking: Asking, work: Work): Promise<void> {
  const { scorer, store, fatal } = asking;
  const { entry, kept } = await answer(asking, work);
  if (entry.status !== 'answered') return await store.put(entry, kept);
  const question = toScore(work, entry);
  const recalled = (await scorer.recall?.(question)) ?? null;
  if (recalled) return await store.put(withScore(entry, recalled), kept);
  if (!scorer.remote) return await store.put(withScore(entry, await scorer.score(question)), kept);
  if (!work.known) await store.put(entry, kept);
  const scored = await scorer.score(question);
  if (scored.fatal) fatal('judge_unusable', scored.error ?? 'the judge cannot be used');
  await store.put(withScore(entry, scored), scored.kept ? [scored.kept] : []);
}

const toScore = ({ prompt, epoch }: Work, entry: LogEntry): ToScore => ({
  dimension: prompt.dimension,
  subcomponent: prompt.subcomponent,
  prompt: prompt.prompt,
  response: entry.response ?? '',
  reference: prompt.reference,
  epoch,
});

const withScore = (entry: LogEntry, { predicted, status, judgement, error }: Scored): LogEntry => ({
  ...entry,
  predicted,
  status,
  judgement,
  error: error?.slice(0, LONGEST_ERROR) ?? null,
});
