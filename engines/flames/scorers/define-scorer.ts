import type { z } from 'zod';
import type { LogStatus } from '../../../core/flames/log-entry.ts';
import type { Score } from '../../../core/flames/scores.ts';
import type { CachedAnswer } from '../../../entities/flames-cache.queries.ts';
import type { EngineContext } from '../../define-engine.ts';
import type { Caller } from '../caller.ts';

/** A response to score. `reference`: the prompt's expected answer, if it has one. */
export type ToScore = {
  dimension: string;
  subcomponent: string | null;
  prompt: string;
  response: string;
  reference: string | null;
  epoch: number;
};

/** What a scorer makes of a response. `fatal`: no other response would fare better. `cached`: the judge was not asked; `kept`: what may be kept of its answer. */
export type Scored = {
  predicted: Score | null;
  status: Extract<LogStatus, 'ok' | 'unparsed' | 'error'>;
  judgement: string | null;
  error: string | null;
  fatal?: boolean;
  kept?: CachedAnswer;
};

/** A scorer at work. `remote`: a response costs a call, so it is stored before it is scored. `recall`: the score, if the judge has been asked before. */
export type Scorer = {
  remote: boolean;
  recall?(answer: ToScore): Promise<Scored | null>;
  score(answer: ToScore): Promise<Scored>;
};

/** What scorers work with. `cache`: whether earlier answers count. */
export type ScorerTools = { context: EngineContext; caller: Caller; cache: boolean };

/** One way to score: its parameters as users write them, with `kind`, and how it is opened. */
export type ScorerKind<K extends string, P extends z.ZodObject> = {
  kind: K;
  parameters: P;
  /** @throws EngineError not_found, forbidden: a secret that it needs */
  open(parameters: z.output<P>, tools: ScorerTools): Promise<Scorer>;
};

export const defineScorer = <const K extends string, P extends z.ZodObject>(scorer: ScorerKind<K, P>): ScorerKind<K, P> => scorer;

export const unparsed = (why: string, judgement: string | null = null): Scored => ({
  predicted: null,
  status: 'unparsed',
  judgement,
  error: why,
});
