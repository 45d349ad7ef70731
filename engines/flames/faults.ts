import { setTimeout as pause } from 'node:timers/promises';
import { EngineError } from '../../core/errors.ts';
import { sqlState } from '../../entities/sql-state.ts';

/** Another execution owns the instance: nothing more may be written. */
export const isSuperseded = (error: unknown): boolean => error instanceof EngineError && error.code === 'superseded';

/** Whether what a call threw is only the word that it should stop. */
export const isStop = (cause: unknown): boolean => !(cause instanceof Error) || cause.name === 'AbortError';

/** SQLSTATEs of a database that goes away, comes, or has no connection left; and what a broken pipe is called. */
const PASSING = /^(08|40|57P|53300|EPIPE)/;

/** True for a database that is away or starting, which passes by itself; false where it answers and refuses. */
export function isAway(error: unknown): boolean {
  if (error instanceof EngineError) return error.retryable && error.code !== 'superseded';
  if (error instanceof TypeError || error instanceof RangeError) return false;
  const state = sqlState(error);
  return state === null || PASSING.test(state);
}

const LONGEST_MS = 4_000;

/**
 * Does something at the database, again while it is away, for at most `for_ms`.
 * @throws its last error
 */
export async function whileAway<T>(for_ms: number, work: () => Promise<T>): Promise<T> {
  const until = performance.now() + for_ms;
  for (let wait = 250; ; wait = Math.min(LONGEST_MS, wait * 2)) {
    try {
      return await work();
    } catch (cause) {
      if (!isAway(cause) || performance.now() + wait > until) throw cause;
    }
    await pause(wait);
  }
}
