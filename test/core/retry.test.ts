import fc from 'fast-check';
import { backoffSeconds, NO_RETRY, nextStep, type RetryPolicy } from '../../core/retry.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';

const POLICY: RetryPolicy = { max_attempts: 4, initial_s: 10, factor: 3, max_s: 60, jitter: 0, codes: null };
const again = (policy: Partial<RetryPolicy> = {}, retries_used = 0) => ({
  policy: { ...POLICY, ...policy },
  retries_used,
  at_most_once: false,
  random: 0,
});
const outcome = (status: FinalInstanceStatus, code: string) => ({ status, code });

describe('backoffSeconds', () => {
  it.each([
    [1, 10],
    [2, 30],
    [3, 60],
    [4, 60],
    [99, 60],
  ])('waits before repetition %i for %i seconds', (retry, seconds) => {
    expect(backoffSeconds(POLICY, retry, 0)).toBe(seconds);
  });

  it('spreads a delay downwards by the share of the jitter', () => {
    expect(backoffSeconds({ ...POLICY, jitter: 0.5 }, 1, 0.999)).toBeCloseTo(5.005, 6);
    expect(backoffSeconds({ ...POLICY, jitter: 0.5 }, 1, 0)).toBe(10);
  });

  const policies = fc.record({
    max_attempts: fc.integer({ min: 1, max: 100 }),
    initial_s: fc.double({ min: 0, max: 86_400, noNaN: true }),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    max_s: fc.double({ min: 0, max: 86_400, noNaN: true }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    codes: fc.constant(null),
  });
  const retries = fc.integer({ min: 1, max: 500 });
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  it('never waits longer than max_s, less than the jitter allows, or for something that is no number', () => {
    fc.assert(
      fc.property(policies, retries, chance, (policy, retry, random) => {
        const full = backoffSeconds({ ...policy, jitter: 0 }, retry, random);
        const delay = backoffSeconds(policy, retry, random);
        expect(Number.isFinite(delay)).toBe(true);
        expect(full).toBeLessThanOrEqual(policy.max_s);
        expect(delay).toBeLessThanOrEqual(full);
        expect(delay).toBeGreaterThanOrEqual(full * (1 - policy.jitter) - 1e-9);
      }),
    );
  });

  it('never waits shorter before a later repetition', () => {
    fc.assert(
      fc.property(policies, retries, chance, (policy, retry, random) => {
        expect(backoffSeconds(policy, retry + 1, random)).toBeGreaterThanOrEqual(backoffSeconds(policy, retry, random));
      }),
    );
  });
});

describe('nextStep', () => {
  it.each(['completed', 'cancelled'] as const)('lets a task whose instance %s end likewise', (status) => {
    expect(nextStep(outcome(status, 'any'), again())).toEqual({ task: status });
  });

  it.each(['failed', 'timed_out'] as const)('repeats a %s instance by the policy, at the cost of one retry', (status) => {
    expect(nextStep(outcome(status, 'exit_code'), again())).toEqual({ task: 'retry', delay_s: 10, charged: true });
    expect(nextStep(outcome(status, 'exit_code'), again({}, 2))).toEqual({ task: 'retry', delay_s: 60, charged: true });
    expect(nextStep(outcome(status, 'exit_code'), again({}, 3))).toEqual({ task: 'failed' });
  });

  it('repeats nothing without a policy', () => {
    expect(nextStep(outcome('failed', 'exit_code'), { ...again(), policy: NO_RETRY })).toEqual({ task: 'failed' });
  });

  it.each(['invalid_input', 'forbidden', 'not_found', 'outbound_refused', 'image_not_found', 'engine_unknown'])(
    'does not repeat what a repetition cannot mend: %s',
    (code) => {
      expect(nextStep(outcome('failed', code), again())).toEqual({ task: 'failed' });
    },
  );

  it('repeats only the codes that the policy lists', () => {
    expect(nextStep(outcome('failed', 'http_status'), again({ codes: ['http_status'] }))).toMatchObject({ task: 'retry' });
    expect(nextStep(outcome('failed', 'exit_code'), again({ codes: ['http_status'] }))).toEqual({ task: 'failed' });
    expect(nextStep(outcome('timed_out', 'timed_out'), again({ codes: [] }))).toEqual({ task: 'failed' });
    expect(nextStep(outcome('failed', 'not_found'), again({ codes: ['not_found'] }))).toMatchObject({ task: 'retry' });
  });

  it('repeats a lost instance at once and free of charge, however many retries were used and whatever the codes', () => {
    const used_up = { ...again({ codes: [], max_attempts: 1 }, 50), policy: { ...NO_RETRY, codes: [] } };
    expect(nextStep(outcome('lost', 'worker_lost'), used_up)).toEqual({ task: 'retry', delay_s: 0, charged: false });
  });

  it('never repeats a lost instance of a task that may run at most once', () => {
    expect(nextStep(outcome('lost', 'worker_lost'), { ...again(), at_most_once: true })).toEqual({ task: 'failed' });
  });

  it('grants exactly max_attempts − 1 charged repetitions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (max_attempts) => {
        let used = 0;
        while (nextStep(outcome('failed', 'exit_code'), again({ max_attempts }, used)).task === 'retry') used += 1;
        expect(used).toBe(max_attempts - 1);
      }),
    );
  });
});
