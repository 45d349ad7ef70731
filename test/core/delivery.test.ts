import fc from 'fast-check';
import { lanePauseS, nextAttemptAt, retryAfterS } from '../../core/delivery.ts';

const NOW = Date.parse('2026-05-01T12:00:00Z');
const clock = (attempts: number, more = {}) => ({ attempts, now: NOW, give_up_at: NOW + 86_400_000, random: 0.5, ...more });

it.each([
  [1, 1_000],
  [2, 2_000],
  [3, 4_000],
  [9, 256_000],
  [10, 300_000],
  [500, 300_000],
])('waits after %i failed attempts for %i ms', (attempts, ms) => {
  expect(nextAttemptAt(clock(attempts), null)).toBe(NOW + ms);
});

it('waits as long as the other side asks, up to an hour', () => {
  expect(nextAttemptAt(clock(1), 120)).toBe(NOW + 120_000);
  expect(nextAttemptAt(clock(1), 86_400)).toBe(NOW + 3_600_000);
});

it('makes the last attempt when time is over, and none after it', () => {
  expect(nextAttemptAt(clock(9, { give_up_at: NOW + 5 }), null)).toBe(NOW + 5);
  expect(nextAttemptAt(clock(9, { give_up_at: NOW }), null)).toBeNull();
});

it('never waits for less than 0.8 s or more than an hour, and never beyond the end', () => {
  const input = fc.record({
    attempts: fc.integer({ min: 1, max: 2_000 }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    left: fc.integer({ min: 1, max: 86_400_000 }),
    asked: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })),
  });
  fc.assert(
    fc.property(input, ({ attempts, random, left, asked }) => {
      const at = nextAttemptAt({ attempts, now: NOW, give_up_at: NOW + left, random }, asked) as number;
      expect(at).toBeGreaterThanOrEqual(Math.min(NOW + 800, NOW + left));
      expect(at).toBeLessThanOrEqual(Math.min(NOW + 3_600_000, NOW + left));
    }),
  );
});

it.each([
  [1, null, 0],
  [4, null, 0],
  [5, null, 1],
  [8, null, 8],
  [11, null, 60],
  [4_000, null, 60],
  [1, 90, 90],
  [7, 2, 4],
  [1, 1e9, 3_600],
])('leaves a target that failed %i times in a row and asks for %s s alone for %i s', (failures, asked, seconds) => {
  expect(lanePauseS(failures, asked)).toBe(seconds);
});

it.each([
  ['120', 120],
  ['Fri, 01 May 2026 12:01:00 GMT', 60],
  ['Fri, 01 May 2026 11:00:00 GMT', 0],
  ['soon', null],
  [undefined, null],
])('reads Retry-After %s as %s', (header, seconds) => {
  expect(retryAfterS(header, NOW)).toBe(seconds);
});
