import { ended, type Outcome } from '../core/outcome.ts';
import type { StopReason } from '../engines/define-engine.ts';

type Stopped = { reason: StopReason; outcome: Outcome | null; timeout: number };

const STATUS = { cancel: 'cancelled', timeout: 'timed_out', total_timeout: 'timed_out', superseded: 'lost', shutdown: 'lost' } as const;

/**
 * How an instance ended that was told to stop. The reason decides, not what the engine made of the interruption; but work that was
 * complete before the stop took effect is complete, and an engine's own words on the same end are kept.
 * `timeout` in seconds. `outcome` null: the engine threw, or did not stop in time.
 */
export function stopOutcome({ reason, outcome, timeout }: Stopped): Outcome {
  const status = STATUS[reason];
  if (outcome && ((outcome.status === status && reason !== 'total_timeout') || (outcome.status === 'completed' && status !== 'lost')))
    return outcome;
  return ended(status, { code: CODE[reason], message: MESSAGE[reason](timeout) });
}

const CODE = {
  cancel: 'cancelled',
  timeout: 'timed_out',
  total_timeout: 'total_timeout',
  superseded: 'worker_lost',
  shutdown: 'worker_shutdown',
} as const;

const MESSAGE: Record<StopReason, (timeout: number) => string> = {
  cancel: () => 'cancelled while running',
  timeout: (timeout) => `ran longer than its time-out of ${timeout} s`,
  total_timeout: () => 'the total time-out of the task was over',
  superseded: () => 'the worker lost touch with the database and stopped its work',
  shutdown: () => 'the worker was stopped before the work was done',
};
