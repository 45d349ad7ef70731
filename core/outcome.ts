import type { FinalInstanceStatus } from './states.ts';

/**
 * How one instance ended: what an engine returns, what is stored, and what a workflow reports.
 * `code`: short and stable, for people and retry policies (`ok`, `exit_code`, `http_status`, `timed_out`, `cancelled`, `worker_lost`, …).
 * `result`: matches the engine's result schema, null unless completed. `error.message`: one sentence for the user.
 */
export type Outcome = {
  status: FinalInstanceStatus;
  code: string;
  result: Record<string, unknown> | null;
  error: OutcomeError | null;
};

/** Why an instance did not complete. `details` holds figures such as the exit code or the HTTP status. */
export type OutcomeError = { code: string; message: string; details?: Record<string, unknown> };

export const completed = (result: Record<string, unknown>): Outcome => ({ status: 'completed', code: 'ok', result, error: null });

/** An instance that ended badly; `status` tells how, `code` why. */
export function ended(
  status: Exclude<FinalInstanceStatus, 'completed'>,
  error: OutcomeError,
  result: Record<string, unknown> | null = null,
): Outcome {
  return { status, code: error.code, result, error };
}
