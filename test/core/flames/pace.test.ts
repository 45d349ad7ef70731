import fc from 'fast-check';
import { afterAnswer, afterRefusal, type Pace, startPace, waitFor } from '../../../core/flames/pace.ts';
import { retryAfterMs } from '../../../core/flames/retry-after.ts';

describe('pace', () => {
  it('begins at the most, halves once for calls under way together, and recovers by one a round', () => {
    let pace = startPace(32);
    expect(waitFor(pace, 31, 0)).toBe(0);
    expect(waitFor(pace, 32, 0)).toBeNull();
    for (let i = 0; i < 10; i += 1) pace = afterRefusal(pace, { now: 1_000 + i, sent_at: 900, wait_ms: null });
    expect(pace.limit).toBe(16);
    pace = afterRefusal(pace, { now: 2_000, sent_at: 1_500, wait_ms: null });
    expect(pace.limit).toBe(8);
    pace = afterAnswer(pace, 1_999);
    expect(pace.limit).toBe(8);
    for (let i = 0; i < 9; i += 1) pace = afterAnswer(pace, 2_000);
    expect(Math.floor(pace.limit)).toBe(9);
  });

  it('sends nothing before the endpoint wants it, whichever answer says so', () => {
    const early = afterRefusal(startPace(4), { now: 1_000, sent_at: 900, wait_ms: 5_000 });
    const later = afterRefusal(early, { now: 1_100, sent_at: 900, wait_ms: 1_000 });
    expect([waitFor(later, 0, 1_100), waitFor(later, 0, 6_000), waitFor(later, 0, 7_000)]).toEqual([4_900, 0, 0]);
    expect(later.limit).toBe(2);
  });

  type Step = { kind: 'answer' } | { kind: 'refusal'; age: number; wait: number | null };
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('answer' as const) }),
      fc.record({ kind: fc.constant('refusal' as const), age: fc.nat({ max: 500 }), wait: fc.option(fc.nat({ max: 10_000 })) }),
    ),
    { maxLength: 200 },
  );
  const walk = (most: number, list: readonly Step[], seen: (at: { after: Pace; before: Pace; step: Step; now: number }) => void) => {
    let pace = startPace(most);
    list.forEach((step, i) => {
      const now = 1_000 + i * 10;
      const before = pace;
      pace = step.kind === 'answer' ? afterAnswer(pace, now) : afterRefusal(pace, { now, sent_at: now - step.age, wait_ms: step.wait });
      seen({ after: pace, before, step, now });
    });
    return pace;
  };

  it('stays between 1 and the most, never opens earlier than promised, and always recovers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), steps, (most, list) => {
        let pace = walk(most, list, ({ after, before, step, now }) => {
          expect(after.limit).toBeGreaterThanOrEqual(1);
          expect(after.limit).toBeLessThanOrEqual(most);
          expect(after.open_at).toBeGreaterThanOrEqual(before.open_at);
          if (step.kind === 'refusal') expect(after.open_at).toBeGreaterThanOrEqual(now + (step.wait ?? 0));
        });
        expect(waitFor(pace, 0, pace.open_at)).toBe(0);
        for (let i = 0; i < most * most; i += 1) pace = afterAnswer(pace, 1e9);
        expect(Math.floor(pace.limit + 1e-9)).toBe(most);
      }),
    );
  });
});

describe('retryAfterMs', () => {
  const NOW = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': ' 0.5 ' }, 500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after-ms': '750', 'retry-after': '1' }, 750],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
    [{ 'x-ratelimit-reset-requests': '6m0s' }, 360_000],
    [{ 'x-ratelimit-reset-requests': '20ms' }, 20],
    [{ 'x-ratelimit-reset-requests': '1.5s' }, 1_500],
    [{ 'ratelimit-reset': '7' }, 7_000],
    [{ 'retry-after': '99999999' }, 86_400_000],
    [{ 'retry-after': '-1' }, null],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '2026' }, 2_026_000],
    [{ 'retry-after': '1e9' }, null],
    [{}, null],
  ])('%j is %s', (headers, expected) => {
    expect(retryAfterMs(headers, NOW)).toBe(expected);
  });

  it('is a whole number of milliseconds between 0 and a day, or null, whatever the header holds', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat().map(String),
          fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
        ),
        (text) => {
          const wait = retryAfterMs({ 'retry-after': text }, NOW);
          expect(wait === null || (Number.isInteger(wait) && wait >= 0 && wait <= 86_400_000)).toBe(true);
        },
      ),
    );
  });
});
