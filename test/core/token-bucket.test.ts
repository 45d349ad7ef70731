import fc from 'fast-check';
import { type Bucket, bucketShape, fullBucket, readyAt, reshaped, taken, tokensAt } from '../../core/token-bucket.ts';

const S = 1_000_000;
const bucket = (change: Partial<Bucket> = {}): Bucket => ({ name: 'b', burst: 3, interval_us: 2 * S, full_at: 0, ...change });

describe('a token bucket', () => {
  it('holds its burst at first, and no more after any rest', () => {
    expect(tokensAt(bucket(), 0)).toBe(3);
    expect(tokensAt(bucket(), 1e9 * S)).toBe(3);
  });

  it('gets a token back each interval', () => {
    const empty = [1, 2, 3].reduce((b) => taken(b, 100 * S), bucket());
    expect([100, 101.999999, 102, 103, 104, 106, 200].map((s) => tokensAt(empty, s * S))).toEqual([0, 0, 1, 1, 2, 3, 3]);
    expect([readyAt(empty), readyAt(empty, 2), readyAt(empty, 9)]).toEqual([102 * S, 104 * S, 106 * S]);
  });

  it('is made from a rate, which rounding never exceeds', () => {
    expect(bucketShape('b', { limit: 3, per_s: 1, burst: 5 }, 7)).toEqual({ name: 'b', burst: 5, interval_us: 333_334, version: 7 });
    expect(fullBucket(bucketShape('b', { limit: 1, per_s: 60, burst: 1 }, null))).toEqual(bucket({ burst: 1, interval_us: 60 * S }));
  });

  it('keeps what is missing when its shape changes', () => {
    const two_missing = bucket({ full_at: 104 * S });
    expect(reshaped(two_missing, { burst: 10, interval_us: S }, 100 * S)).toEqual(bucket({ burst: 10, interval_us: S, full_at: 102 * S }));
    const smaller = reshaped(two_missing, { burst: 1, interval_us: S }, 100 * S);
    expect([tokensAt(smaller, 100 * S), tokensAt(smaller, 101 * S)]).toEqual([0, 1]);
    expect(tokensAt(reshaped(bucket({ full_at: 50 * S }), { burst: 4, interval_us: S }, 100 * S), 100 * S)).toBe(4);
  });

  it('never gives more in any span of time than its burst and what came in it, in whatever order the takings are written down', () => {
    const shapes = fc.record({ burst: fc.integer({ min: 1, max: 5 }), interval_us: fc.integer({ min: 1, max: 50 }) });
    fc.assert(
      fc.property(shapes, fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 60 }), (shape, attempts) => {
        let state = bucket({ ...shape, full_at: 0 });
        const times: number[] = [];
        for (const now of attempts) {
          if (tokensAt(state, now) < 1) continue;
          state = taken(state, now);
          times.push(now);
        }
        times.sort((a, b) => a - b);
        times.forEach((from, i) => {
          times.slice(i).forEach((until, n) => {
            expect(n + 1).toBeLessThanOrEqual(shape.burst + (until - from) / shape.interval_us);
          });
        });
      }),
      { numRuns: 500 },
    );
  });

  it('has a token exactly from when it says on', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 60 }),
        (burst, interval_us, full_at) => {
          const state = bucket({ burst, interval_us, full_at });
          const ready = readyAt(state);
          expect(tokensAt(state, ready)).toBeGreaterThanOrEqual(1);
          expect(tokensAt(state, ready - 1) < 1 || ready <= 0 || full_at <= ready - 1).toBe(true);
        },
      ),
    );
  });
});
