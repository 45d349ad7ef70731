import type { Outcome } from './outcome.ts';

/**
 * When a failed instance is followed by another. `max_attempts` counts the first one (1: never again). Delays in seconds:
 * `initial_s × factor^(n−1)`, at most `max_s`; `jitter` 0–1 spreads each delay downwards by up to that share.
 * `codes`: only these error codes are retried; null: all but those of bad input. `max_losses`: see `MOST_LOSSES`, which holds where it is not said.
 */
export type RetryPolicy = {
  max_attempts: number;
  initial_s: number;
  factor: number;
  max_s: number;
  jitter: number;
  codes: string[] | null;
  max_losses?: number;
};

export const NO_RETRY: RetryPolicy = { max_attempts: 1, initial_s: 1, factor: 2, max_s: 300, jitter: 0, codes: null };

/** Errors that a repetition cannot mend. */
const HOPELESS = new Set(['invalid_input', 'forbidden', 'not_found', 'outbound_refused', 'image_not_found', 'engine_unknown', 'no_worker']);

/** Seconds before the `retry`-th repetition (from 1). `random` in [0, 1). */
export function backoffSeconds(policy: RetryPolicy, retry: number, random: number): number {
  // A factor grown beyond all numbers times an initial delay of 0 would be no number.
  const delay = policy.initial_s === 0 ? 0 : Math.min(policy.max_s, policy.initial_s * policy.factor ** (retry - 1));
  return delay * (1 - policy.jitter * random);
}

/**
 * So many workers in a row may be lost while they run a task; with the last of them it fails with `worker_killer`, since it may be what kills them. Counted with
 * the task's row (`commands/finish-instances.ts`), because whoever ends an instance need not know of those before it.
 */
export const MOST_LOSSES = 3;

/** What becomes of the task when its instance has ended; `delay_s` until it queues again. */
export type NextStep = { task: 'completed' | 'failed' | 'cancelled' } | { task: 'retry'; delay_s: number; charged: boolean };

type EndedInstance = { policy: RetryPolicy; retries_used: number; at_most_once: boolean; random: number };

/**
 * Decides between final and again. A lost instance queues again at once and free of charge unless the task is `at_most_once` (but see `MOST_LOSSES`); one that nobody
 * started always does. Failed and timed-out ones follow the policy; cancelled ones, and those whose total time-out is over, are final.
 */
export function nextStep(outcome: Pick<Outcome, 'status' | 'code'>, ended: EndedInstance): NextStep {
  if (outcome.status === 'completed' || outcome.status === 'cancelled') return { task: outcome.status };
  if (outcome.code === 'total_timeout') return { task: 'failed' };
  if (outcome.status === 'lost')
    return ended.at_most_once && outcome.code !== 'start_timeout' ? { task: 'failed' } : { task: 'retry', delay_s: 0, charged: false };
  const retryable = ended.policy.codes ? ended.policy.codes.includes(outcome.code) : !HOPELESS.has(outcome.code);
  const retry = ended.retries_used + 1;
  if (!retryable || retry >= ended.policy.max_attempts) return { task: 'failed' };
  return { task: 'retry', delay_s: backoffSeconds(ended.policy, retry, ended.random), charged: true };
}
