import { stopOutcome } from '../../activities/stop-outcome.ts';
import { completed, ended } from '../../core/outcome.ts';

test.each([
  ['cancel', 'cancelled'],
  ['timeout', 'timed_out'],
  ['total_timeout', 'timed_out'],
  ['superseded', 'lost'],
  ['shutdown', 'lost'],
] as const)('a run that is stopped for %s ends as %s, whatever its engine made of the interruption', (reason, status) => {
  const outcome = ended('failed', { code: 'signal', message: 'killed by SIGTERM' });
  expect(stopOutcome({ reason, outcome, timeout: 5 }).status).toBe(status);
  expect(stopOutcome({ reason, outcome: null, timeout: 5 }).status).toBe(status);
});

test('work that was complete before a cancellation took effect is complete', () => {
  expect(stopOutcome({ reason: 'cancel', outcome: completed({ a: 1 }), timeout: 5 })).toEqual(completed({ a: 1 }));
});

test('the engine’s own words on the same end are kept', () => {
  const outcome = ended('cancelled', { code: 'cancelled', message: 'stopped after 3 of 5 parts' });
  expect(stopOutcome({ reason: 'cancel', outcome, timeout: 5 })).toBe(outcome);
});

test('a worker that lost touch claims no result, not even a complete one', () => {
  expect(stopOutcome({ reason: 'superseded', outcome: completed({}), timeout: 5 })).toMatchObject({ status: 'lost', result: null });
});

test('the total time-out has its own code, also where the engine took it for its time-out', () => {
  const outcome = ended('timed_out', { code: 'timed_out', message: 'ran longer than its time-out of 5 s' });
  expect(stopOutcome({ reason: 'total_timeout', outcome, timeout: 5 })).toMatchObject({ status: 'timed_out', code: 'total_timeout' });
});
