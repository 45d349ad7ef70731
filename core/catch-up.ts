import { type Occurrence, runs } from './occurrences.ts';

/**
 * What to do about fires that come late, after an outage: none of them, the last one, or all, oldest first. Only those of the last `window_s`
 * seconds and at most `max` of them; the others are recorded as skipped.
 */
export type CatchUp = { policy: 'none' | 'last' | 'all'; window_s: number; max: number };

/** Skipped fires so many that one row stands for them: `count` between two instants, both included. */
export type Aggregate = { from: Occurrence; until: Occurrence; count: number };

export type FirePlan = { fire: Occurrence[]; skip: Occurrence[]; aggregate: Aggregate | null };

/** A fire that is handled within this time is on time. */
export const ON_TIME_MS = 60_000;
/** So many skipped fires get a row each, the newest; older ones share one. */
export const MOST_ROWS = 1_000;

/**
 * Divides fires that are due into those to run now and those that are too late. What is on time always runs. Those that never run, being
 * repetitions or lying in a gap, are in neither list but in that of rows: see `skip`.
 * @param due in order, oldest first
 * @param now ms
 */
export function planCatchUp(due: readonly Occurrence[], { policy, window_s, max }: CatchUp, now: number): FirePlan {
  const runnable = due.filter(runs);
  const late = runnable.filter(({ at }) => at < now - ON_TIME_MS);
  const onTime = runnable.slice(late.length);
  const recent = late.filter(({ at }) => at >= now - window_s * 1000);
  const newest = (count: number) => (count > 0 ? recent.slice(-count) : []);
  const wanted = { none: 0, last: onTime.length > 0 ? 0 : 1, all: max }[policy];
  const caught = newest(wanted);
  const skip = late.slice(0, late.length - caught.length);
  return { fire: [...caught, ...onTime], ...condensed(skip) };
}

function condensed(skip: Occurrence[]): Pick<FirePlan, 'skip' | 'aggregate'> {
  const old = skip.slice(0, Math.max(0, skip.length - MOST_ROWS));
  const [from, until] = [old[0], old.at(-1)];
  if (!from || !until) return { skip, aggregate: null };
  return { skip: skip.slice(old.length), aggregate: { from, until, count: old.length } };
}
