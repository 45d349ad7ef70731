const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** A part that ran this long is healthy: the next death counts as the first. Milliseconds. */
export const HEALTHY_AFTER_MS = 60_000;

/**
 * How long to wait before a dead part is started again: 0.5 s, doubled each time, at most 30 s.
 * @param deaths how often it died in a row, from 1
 * @returns milliseconds
 */
export const restartDelay = (deaths: number): number => Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(deaths - 1, 16));
