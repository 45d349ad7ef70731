/** A run that began at `start` (milliseconds) and may take `timeout_s`; nine of ten like it took at most `p90_s`, null without history. */
export type Run = { start: number; timeout_s: number; p90_s: number | null };

/** How long a run is expected to take at most, in seconds: what history says, never more than its time-out. */
export const expectedLength = ({ timeout_s, p90_s }: Omit<Run, 'start'>): number => Math.min(p90_s ?? timeout_s, timeout_s);

/** How long short work is waited for at most, in seconds. */
export const SHORT_S = 1;

/** Whether a run is expected to be over soon: so says history, or there is none yet. */
export const isShort = ({ p90_s }: Pick<Run, 'p90_s'>): boolean => (p90_s ?? 0) <= SHORT_S;

/**
 * When a run ends, in milliseconds: by history, and at the latest by its time-out. A run that has outlived its history is expected to last until
 * its time-out; one that has outlived that is being ended, so it is given another second.
 */
export function endsOf(run: Run, now: number): { expected_end: number; hard_end: number } {
  const soon = now + 1000;
  const hard_end = Math.max(run.start + run.timeout_s * 1000, soon);
  const expected = run.start + expectedLength(run) * 1000;
  return { expected_end: expected > now ? Math.min(expected, hard_end) : hard_end, hard_end };
}
