import { RE2JS } from 're2js';
import { EngineError } from '../errors.ts';
import type { Judgement } from './judgement.ts';
import { readScore } from './judgement.ts';
import type { Score } from './scores.ts';

/**
 * One rule of a rule-based scorer: a response that fits gets the score. `exact`: the whole response, without white space around it; `regex`: anywhere in it,
 * in RE2's syntax; `reference`: equal to the prompt's own reference answer. `dimensions`: only for these; absent: for all.
 */
export type Rule = { match: 'exact' | 'regex' | 'reference'; pattern?: string; score: Score; dimensions?: string[] };
export type RuleSet = { rules: readonly Rule[]; otherwise: Score | null };

export type Answer = { dimension: string; response: string; reference: string | null };
type Test = (answer: Answer) => boolean;

/**
 * A pattern that takes time in proportion to the text, whatever both hold: responses come from outside.
 * @throws EngineError invalid_input: not a pattern of RE2
 */
export function compilePattern(pattern: string): (text: string) => boolean {
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
    return (text) => compiled.matcher(text).find();
  } catch (cause) {
    throw new EngineError('invalid_input', `pattern ${JSON.stringify(pattern.slice(0, 80))}: ${(cause as Error).message}`, { cause });
  }
}

function testOf({ match, pattern = '' }: Rule): Test {
  if (match === 'reference') return ({ response, reference }) => reference !== null && response.trim() === reference.trim();
  if (match === 'exact') return ({ response }) => response.trim() === pattern.trim();
  const fits = compilePattern(pattern);
  return ({ response }) => fits(response);
}

/** A scorer by rules: the first one that fits decides, else `otherwise`; null there leaves the answer without a score. */
export function compileRules({ rules, otherwise }: RuleSet): (answer: Answer) => Judgement {
  const tests = rules.map((rule) => ({ rule, fits: testOf(rule) }));
  return (answer) => {
    const hit = tests.find(({ rule, fits }) => (rule.dimensions?.includes(answer.dimension) ?? true) && fits(answer));
    const score = hit ? hit.rule.score : otherwise;
    return score === null ? { predicted: null, why: 'no rule fits' } : readScore(score, answer.dimension);
  };
}
