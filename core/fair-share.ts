import type { Amount } from './admission-state.ts';

/** Whether the users of a queue share it, or its tasks go by vtime alone. */
export const Fairness = { none: 'none', user: 'user' } as const;
export type Fairness = (typeof Fairness)[keyof typeof Fairness];

/** What a user has used of a queue's pool of late: seconds of the whole pool, each halved every `HALF_LIFE_S`. */
export type Share = { queue: string; user: number; usage: number };

/** Seconds in which past use loses half of its weight. */
export const HALF_LIFE_S = 3_600;

/** Seconds of running that a start counts as at once, so that a burst of short tasks does not slip in before anybody has seen it run. */
export const START_COST_S = 5;

/** The greater of the shares of cores and of memory of a pool; 0 of a pool that has none. */
export const dominantShare = (amount: Amount, total: Amount): number =>
  Math.max(amount.cpu_milli / Math.max(1, total.cpu_milli), amount.memory_mb / Math.max(1, total.memory_mb));

/** What a start adds to the usage of its user. */
export const startCost = (amount: Amount, total: Amount): number => dominantShare(amount, total) * START_COST_S;

/** What is left of past use after so many seconds without any. */
export const decayed = (usage: number, elapsed_s: number): number => usage * 0.5 ** (Math.max(0, elapsed_s) / HALF_LIFE_S);

/** Usage after holding a share of the pool for so many seconds. */
export function accrued(usage: number, share: number, elapsed_s: number): number {
  const left = decayed(1, elapsed_s);
  return usage * left + (share * (1 - left) * HALF_LIFE_S) / Math.LN2;
}

/** The need of a task in a fair queue holds its user, so that nobody's tasks hide those of another; see `needKey`. */
export function fairNeed(need: string, fairness: Fairness, user: number): string {
  const [plain] = need.split(MARK);
  return fairness === 'user' ? `${plain}${MARK}${user}` : (plain as string);
}

const MARK = '|user ';
