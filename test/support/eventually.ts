import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds: when to give up, and the pause between two tries. */
export type EventuallyOptions = { timeout_ms?: number; interval_ms?: number };

/**
 * Repeats an assertion until it holds and returns what it returns; after the time limit its last failure is thrown.
 * For what happens in other processes; never a plain sleep.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  { timeout_ms = 30_000, interval_ms = 50 }: EventuallyOptions = {},
): Promise<T> {
  const until = Date.now() + timeout_ms;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() >= until) throw error;
      await sleep(interval_ms);
    }
  }
}
