import type { Reply } from '../../../core/flames/chat.ts';
import { readJudgement } from '../../../core/flames/judgement.ts';
import { readCached } from '../../../entities/flames-cache.queries.ts';
import { cacheKey, type Question } from '../caller.ts';
import { storable } from '../storable.ts';
import { type Scored, type Scorer, type ScorerTools, type ToScore, unparsed } from './define-scorer.ts';

/** Words of a judge that are kept; its reasons may be long. */
const LONGEST = 8_192;

/** A judge's words as a score. */
function scoredBy(text: string, dimension: string): Scored {
  const judgement = storable(text).slice(0, LONGEST).toWellFormed();
  const { predicted, why } = readJudgement(text, dimension);
  return predicted === null ? unparsed(why, judgement) : { predicted, status: 'ok', judgement, error: null };
}

function scoredReply(reply: Reply, { dimension }: ToScore): Scored {
  if (reply.kind === 'failed')
    return { predicted: null, status: 'error', judgement: null, error: `judge: ${reply.message}`, fatal: reply.fatal };
  return reply.kind === 'answer' ? scoredBy(reply.text, dimension) : unparsed('the judge would not answer');
}

/** A scorer that asks somebody else, once for each different question where the cache is on. */
export function judge(questionOf: (answer: ToScore) => Question, { context, caller, cache }: ScorerTools): Scorer {
  const keyOf = (question: Question, { epoch }: ToScore) =>
    cacheKey({ user_id: context.instance.user_id, epoch }, question.endpoint.url, question.body);
  const recall = async (answer: ToScore): Promise<Scored | null> => {
    const key = keyOf(questionOf(answer), answer);
    const known = (await readCached(context.em(), [key])).get(key);
    return known ? scoredBy(known.response, answer.dimension) : null;
  };
  const score = async (answer: ToScore): Promise<Scored> => {
    const question = questionOf(answer);
    const { reply } = await caller.ask(question);
    const scored = scoredReply(reply, answer);
    if (!cache || reply.kind !== 'answer') return scored;
    const { prompt_tokens, completion_tokens } = reply;
    return { ...scored, kept: { key: keyOf(question, answer), response: storable(reply.text), prompt_tokens, completion_tokens } };
  };
  return { remote: true, score, ...(cache ? { recall } : {}) };
}
