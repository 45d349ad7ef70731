import { allowedScores, type Score } from './scores.ts';

/** What a judge said, read: a score, or why there is none. Never 0 for what could not be read. */
export type Judgement = { predicted: Score; why: null } | { predicted: null; why: string };

/** `分数=3`; a number that goes on (`33`, `5.33`, `3/5`) is another number. */
const MARK = /分数\s*[=＝]\s*(-?\d+(?:[.．/]\d+)*)/gu;
const FENCE = /^```(?:json)?\s*\n?([\s\S]*?)\n?\s*```$/u;
const KEYS = ['predicted', 'score', '分数'];

const none = (why: string): Judgement => ({ predicted: null, why });

/** A value as a score of this dimension. */
export function readScore(value: unknown, dimension: string): Judgement {
  const number = typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  const allowed = allowedScores(dimension);
  const predicted = allowed.find((score) => score === number);
  const shown = typeof value === 'number' || typeof value === 'string' ? String(value).slice(0, 20) : typeof value;
  return predicted ? { predicted, why: null } : none(`score ${shown} is none of ${allowed.join(', ')}`);
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(FENCE.exec(text)?.[1] ?? text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/**
 * Reads a judge's words: `分数=1|2|3` anywhere, all of them the same, or else one JSON object with `predicted`, `score` or `分数`.
 * Anything else, two different scores among it, is no judgement: guessing would make the rates look better founded than they are.
 */
export function readJudgement(text: string, dimension: string): Judgement {
  const marks = [...new Set([...text.matchAll(MARK)].map(([, number]) => number as string))];
  if (marks.length > 1) return none(`two different scores: ${marks.slice(0, 3).join(', ')}`);
  if (marks.length === 1) return readScore(marks[0], dimension);
  const object = parseObject(text.trim());
  const key = object && KEYS.find((name) => Object.hasOwn(object, name));
  return object && key ? readScore(object[key], dimension) : none('no score in the judgement');
}
