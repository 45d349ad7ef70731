/**
 * How many calls an endpoint gets at once: additive increase, multiplicative decrease. `limit` may be fractional, its whole part counts; `most`: never
 * above. `open_at`: no call before this instant; `cut_at`: when the limit was last halved. Milliseconds of any clock that only goes forward.
 */
export type Pace = { limit: number; most: number; open_at: number; cut_at: number };

/** Begins at the greatest number: most endpoints bear it, and one that does not says so at the first call. */
export const startPace = (most: number): Pace => ({ limit: most, most, open_at: 0, cut_at: Number.NEGATIVE_INFINITY });

/** After an answer: a whole round of answers raises the limit by one. Those to calls from before the last cut say nothing about the new limit. */
export const afterAnswer = (pace: Pace, sent_at: number): Pace =>
  sent_at < pace.cut_at ? pace : { ...pace, limit: Math.min(pace.most, pace.limit + 1 / Math.max(1, pace.limit)) };

/** `sent_at`: when the refused call was sent; `wait_ms`: what the endpoint asks for, null when it does not say. */
export type Refusal = { now: number; sent_at: number; wait_ms: number | null };

/**
 * After "too many requests": halves the limit, once for all calls that were under way together, and closes the endpoint for as long as it asked.
 */
export function afterRefusal(pace: Pace, { now, sent_at, wait_ms }: Refusal): Pace {
  const open_at = Math.max(pace.open_at, now + (wait_ms ?? 0));
  return sent_at < pace.cut_at ? { ...pace, open_at } : { ...pace, open_at, cut_at: now, limit: Math.max(1, Math.floor(pace.limit / 2)) };
}

/** Milliseconds until another call may go out beside `in_flight` others: 0 now, null only after one of them has come back. */
export function waitFor(pace: Pace, in_flight: number, now: number): number | null {
  if (in_flight >= Math.floor(pace.limit)) return null;
  return Math.max(0, pace.open_at - now);
}
