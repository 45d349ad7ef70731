import { z } from 'zod';
import type { Scorer, ScorerTools } from './define-scorer.ts';
import { judgeHttp } from './judge-http.ts';
import { judgeLlm } from './judge-llm.ts';
import { rulesScorer } from './rules.ts';

/** Every way to score. Another one is a file beside these, and a place in this list. */
const KINDS = [judgeHttp, judgeLlm, rulesScorer] as const;

export const ScorerParameters = z.discriminatedUnion('kind', [judgeHttp.parameters, judgeLlm.parameters, rulesScorer.parameters]);
export type ScorerParameters = z.output<typeof ScorerParameters>;

/** @throws EngineError not_found, forbidden: a secret that the scorer needs */
export async function openScorer(parameters: ScorerParameters, tools: ScorerTools): Promise<Scorer> {
  const found = KINDS.find(({ kind }) => kind === parameters.kind);
  return await (found as { open(given: ScorerParameters, tools: ScorerTools): Promise<Scorer> }).open(parameters, tools);
}
