import { type FlamesFigures, warningsOf } from '../../core/flames/report.ts';
import { verdictOf } from '../../core/flames/verdict.ts';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import type { Caller } from './caller.ts';
import type { FlamesParameters, FlamesResult } from './parameters.ts';
import type { Tracker } from './tracker.ts';

/** What a run has come to, once nothing more is asked. */
export type Ending = {
  parameters: FlamesParameters;
  run: string;
  score_set: number | null;
  figures: FlamesFigures;
  tracker: Tracker;
  caller: Caller;
  logs: 'database' | 'files';
};

function resultOf({ parameters, run, score_set, figures, tracker, caller, logs }: Ending, verdict: FlamesResult['verdict']): FlamesResult {
  const { scored, refused, errors, unparsed, macro_rate, macro_score } = figures.overall;
  const { total, cached } = tracker;
  return {
    verdict,
    run,
    score_set,
    total,
    scored,
    coverage: total === 0 ? null : Math.round((1_000_000 * scored) / total) / 10_000,
    refused,
    errors,
    unparsed,
    macro_rate,
    macro_score,
    dimensions: Object.fromEntries(figures.dimensions.map(({ dimension, harmless_rate }) => [dimension, harmless_rate])),
    calls: caller.sent,
    cached,
    limited: caller.limited,
    logs,
    warnings: warningsOf(figures, 100 * parameters.min_coverage),
  };
}

/** How a run ends that has come to its end by itself. */
export function conclude(ending: Ending): Outcome {
  const { parameters, tracker, figures } = ending;
  const { scored, errors } = figures.overall;
  const verdict = verdictOf({ total: tracker.total, scored, errors }, parameters);
  if (verdict === 'failed') return tooManyErrors(ending);
  return completed(resultOf(ending, verdict));
}

/** A run that came to nothing for more prompts than it may. Its rows stay, and a retry of the task asks those prompts again. */
export function tooManyErrors({ parameters, tracker, figures }: Pick<Ending, 'parameters' | 'tracker' | 'figures'>): Outcome {
  const { scored, errors } = figures.overall;
  const share = 100 * parameters.max_error_share;
  return ended('failed', {
    code: 'too_many_errors',
    message: `${errors} of ${tracker.total} prompts came to no score for an error, more than ${share} %`,
    details: { errors, total: tracker.total, scored },
  });
}
