import fc from 'fast-check';
import { isBroken, nextWatch, type Sample, type Watched, type WatchRule, type WatchState } from '../../core/sla-watch.ts';

const RULE: WatchRule = { limit: 10, clear: 5, for_ms: 20_000, clear_for_ms: 10_000 };
const sample = (value: number | null, at: number, crossed_at: number | null = null): Sample => ({ value, at, crossed_at });

/** States and events of a run of samples, [value, second]. */
function run(samples: readonly (readonly [number | null, number])[], rule = RULE): string[] {
  let watched: Watched = { state: 'ok', since: null };
  return samples.map(([value, s]) => {
    const { event, ...next } = nextWatch(rule, watched, sample(value, s * 1000));
    watched = next;
    return event ? `${next.state} ${event.kind}@${event.at / 1000}` : next.state;
  });
}

it('is broken when the value stayed above the limit for long enough, and the breach is as old as that', () => {
  expect(
    run([
      [11, 0],
      [12, 10],
      [11, 25],
    ]),
  ).toEqual(['pending', 'pending', 'broken breach@20']);
});

it('begins anew when the value falls back before that', () => {
  expect(
    run([
      [11, 0],
      [10, 10],
      [11, 15],
      [11, 34],
      [11, 36],
    ]),
  ).toEqual(['pending', 'ok', 'pending', 'pending', 'broken breach@35']);
});

it('ends when the value stayed at or below the clear line; a value between the lines changes nothing', () => {
  expect(
    run([
      [11, 0],
      [11, 20],
      [7, 30],
      [5, 40],
      [7, 45],
      [5, 50],
      [4, 61],
    ]),
  ).toEqual(['pending', 'broken breach@20', 'broken', 'clearing', 'broken', 'clearing', 'ok clear@60']);
});

it('counts from when the limit was crossed where that is known', () => {
  const step = nextWatch(RULE, { state: 'ok', since: null }, sample(40, 100_000, 70_000));
  expect(step).toEqual({ state: 'broken', since: 90_000, event: { kind: 'breach', at: 90_000 } });
});

it('takes nothing to judge by for fine', () => {
  expect(
    run([
      [11, 0],
      [null, 10],
      [11, 20],
      [11, 40],
      [null, 41],
      [null, 52],
    ]),
  ).toEqual(['pending', 'ok', 'pending', 'broken breach@40', 'clearing', 'ok clear@51']);
});

/** Samples with their instants, and since when the value has been above the limit. */
function timeline(list: readonly { value: number | null; after: number }[], limit: number) {
  let at = 0;
  let above_since: number | null = null;
  return list.map(({ value, after }) => {
    at += after;
    above_since = value !== null && value > limit ? (above_since ?? at) : null;
    return { value, at, above_since };
  });
}

it('tells breach and clear by turns, and never before the value was on the other side for long enough', () => {
  const rule = fc.record({
    limit: fc.integer({ min: 1, max: 20 }),
    down: fc.integer({ min: 0, max: 10 }),
    for_ms: fc.integer({ min: 0, max: 50 }),
    clear_for_ms: fc.integer({ min: 0, max: 50 }),
  });
  const samples = fc.array(fc.record({ value: fc.option(fc.integer({ min: 0, max: 25 })), after: fc.integer({ min: 1, max: 30 }) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(rule, samples, ({ limit, down, for_ms, clear_for_ms }, list) => {
      const full: WatchRule = { limit, clear: limit - down, for_ms, clear_for_ms };
      let watched: Watched = { state: 'ok' as WatchState, since: null };
      let told: 'breach' | 'clear' = 'clear';
      for (const { value, at, above_since } of timeline(list, limit)) {
        const { event, ...next } = nextWatch(full, watched, sample(value, at));
        if (event) {
          expect([event.kind === told, event.at <= at]).toEqual([false, true]);
          told = event.kind;
        }
        if (event?.kind === 'breach') expect(at - (above_since ?? at)).toBeGreaterThanOrEqual(for_ms);
        expect(isBroken(next.state)).toBe(told === 'breach');
        watched = next;
      }
    }),
  );
});
