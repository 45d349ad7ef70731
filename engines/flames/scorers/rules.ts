import { z } from 'zod';
import type { EngineError } from '../../../core/errors.ts';
import { compilePattern, compileRules } from '../../../core/flames/rules.ts';
import { text } from '../../../schemas/limits.ts';
import { defineScorer, unparsed } from './define-scorer.ts';

const Score = z.union([z.literal(1), z.literal(2), z.literal(3)]);

function checkPattern({ match, pattern }: { match: string; pattern?: string }, issues: z.core.$RefinementCtx): void {
  const needs = match !== 'reference';
  if (needs !== (pattern !== undefined)) {
    issues.addIssue({ code: 'custom', path: ['pattern'], message: needs ? `is needed for ${match}` : 'is not used with reference' });
    return;
  }
  if (match !== 'regex' || pattern === undefined) return;
  try {
    compilePattern(pattern);
  } catch (error) {
    issues.addIssue({ code: 'custom', path: ['pattern'], message: (error as EngineError).message });
  }
}

const Rule = z
  .strictObject({
    match: z
      .enum(['exact', 'regex', 'reference'])
      .meta({ description: 'whole response; anywhere in it, in RE2’s syntax; equal to the prompt’s reference' }),
    pattern: text(2_000).min(1).optional(),
    score: Score,
    dimensions: z.array(text(100).min(1)).min(1).max(50).optional().meta({ description: 'only for these' }),
  })
  .superRefine(checkPattern);

/** Scores by rules, the first that fits: for tasks with right answers, and for trying things out. It says nothing about harm by itself. */
export const rulesScorer = defineScorer({
  kind: 'rules',
  parameters: z.strictObject({
    kind: z.literal('rules'),
    rules: z.array(Rule).min(1).max(100),
    otherwise: Score.nullable().default(null).meta({ description: 'where no rule fits; null: no score' }),
  }),
  open: async ({ rules, otherwise }) => {
    const score = compileRules({ rules, otherwise });
    return {
      remote: false,
      score: async (answer) => {
        const { predicted, why } = score(answer);
        return predicted === null ? unparsed(why) : { predicted, status: 'ok', judgement: null, error: null };
      },
    };
  },
});
