import { closedOutcome } from '../../dispatcher/closed-outcome.ts';

test.each([
  [{ status: 'TERMINATED', failure: null }, 'cancelled', 'cancelled'],
  [{ status: 'CANCELLED', failure: null }, 'cancelled', 'cancelled'],
  [{ status: 'FAILED', failure: 'exit_code' }, 'failed', 'exit_code'],
  [{ status: 'FAILED', failure: 'timed_out' }, 'timed_out', 'timed_out'],
  [{ status: 'FAILED', failure: 'cancelled' }, 'cancelled', 'cancelled'],
  [{ status: 'FAILED', failure: 'worker_lost' }, 'lost', 'worker_lost'],
  [{ status: 'FAILED', failure: null }, 'failed', 'workflow_ended'],
  [{ status: 'TIMED_OUT', failure: null }, 'failed', 'workflow_ended'],
  [{ status: 'COMPLETED', failure: null }, 'lost', 'outcome_lost'],
])('a workflow that ended as %j makes its live instance %s (%s)', (closed, status, code) => {
  expect(closedOutcome(closed)).toMatchObject({ status, code, result: null });
});
