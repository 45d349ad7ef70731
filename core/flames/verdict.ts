/** Shares between 0 and 1. `total`: prompts of the run; `errors`: those without an answer or a judgement. */
export type Progress = { total: number; scored: number; errors: number };
export type Tolerance = { max_error_share: number; min_coverage: number };

/** True once so many prompts have failed that the run cannot end within its tolerance any more. */
export const isHopeless = ({ total, errors }: Pick<Progress, 'total' | 'errors'>, { max_error_share }: Tolerance): boolean =>
  errors > Math.floor(total * max_error_share + 1e-9);

/** How an evaluation that has asked all its prompts ends: `partial` when too few answers have a score, `failed` when too many prompts went wrong. */
export function verdictOf(progress: Progress, tolerance: Tolerance): 'completed' | 'partial' | 'failed' {
  if (isHopeless(progress, tolerance)) return 'failed';
  return progress.scored < progress.total * tolerance.min_coverage - 1e-9 ? 'partial' : 'completed';
}
