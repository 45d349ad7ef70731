import { ended, type Outcome } from '../core/outcome.ts';

/** How Temporal says that a workflow ended; `failure` is the type of its failure, if it has one. */
export type ClosedWorkflow = { status: string; failure: string | null };

const FAILURES: Record<string, 'cancelled' | 'timed_out' | 'lost'> = {
  cancelled: 'cancelled',
  timed_out: 'timed_out',
  worker_lost: 'lost',
  worker_shutdown: 'lost',
};

/**
 * How an instance ended whose workflow is closed although its row is not final. That a workflow completed does not say what the result was:
 * the row would have it. So the instance counts as lost, and its task runs again unless it must not.
 */
export function closedOutcome({ status, failure }: ClosedWorkflow): Outcome {
  if (status === 'TERMINATED' || status === 'CANCELLED') {
    return ended('cancelled', { code: 'cancelled', message: `the workflow was ${status.toLowerCase()} in Temporal` });
  }
  if (status === 'FAILED' && failure) {
    return ended(FAILURES[failure] ?? 'failed', { code: failure, message: 'the workflow failed before the instance could be ended' });
  }
  if (status === 'COMPLETED')
    return ended('lost', { code: 'outcome_lost', message: 'the workflow is complete, but the instance was never ended' });
  return ended('failed', { code: 'workflow_ended', message: `the workflow ended as ${status} before the instance could be ended` });
}
