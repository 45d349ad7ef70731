/** When a sampled value is a breach, and when it is over. Instants and durations in ms. */
export type WatchRule = { limit: number; clear: number; for_ms: number; clear_for_ms: number };

/** `ok`; above the limit but not for long enough; broken; at or below `clear` but not for long enough. */
export type WatchState = 'ok' | 'pending' | 'broken' | 'clearing';

/** `since`: since when it has been in its state; null: from the beginning. */
export type Watched = { state: WatchState; since: number | null };

/** `value` null: nothing to judge by, which counts as fine. `crossed_at`: when the value came above the limit, where that is known better than by sampling. */
export type Sample = { value: number | null; at: number; crossed_at: number | null };

/** `event.at`: when the breach became one, or was over, which may be before the sample. */
export type WatchStep = Watched & { event: { kind: 'breach' | 'clear'; at: number } | null };

/**
 * The next state of a watch. Above the limit for `for_ms` is a breach; at or below `clear` for `clear_for_ms` ends it; between the two nothing changes, so that a value that swings
 * around its limit is told once.
 */
export function nextWatch(rule: WatchRule, watched: Watched, sample: Sample): WatchStep {
  return isBroken(watched.state) ? whileBroken(rule, watched, sample) : whileFine(rule, watched, sample);
}

export const isBroken = (state: WatchState): boolean => state === 'broken' || state === 'clearing';

function whileFine({ limit, for_ms }: WatchRule, { state, since }: Watched, { value, at, crossed_at }: Sample): WatchStep {
  if (value === null || value <= limit) return { state: 'ok', since: state === 'ok' ? since : at, event: null };
  const from = state === 'pending' && since !== null ? since : (crossed_at ?? at);
  const due = from + for_ms;
  return due <= at ? { state: 'broken', since: due, event: { kind: 'breach', at: due } } : { state: 'pending', since: from, event: null };
}

function whileBroken({ clear, clear_for_ms }: WatchRule, { state, since }: Watched, { value, at }: Sample): WatchStep {
  if (value !== null && value > clear) return { state: 'broken', since: state === 'broken' ? since : at, event: null };
  const from = state === 'clearing' && since !== null ? since : at;
  const due = from + clear_for_ms;
  return due <= at ? { state: 'ok', since: due, event: { kind: 'clear', at: due } } : { state: 'clearing', since: from, event: null };
}
