import { EngineError } from '../../core/errors.ts';
import { sqlState } from '../../entities/sql-state.ts';

/** True when trying again may help: the database is away, or busy. Data that it refuses (classes 22, 23) and statements it does not know (42) stay what they are. */
export function isPassing(error: unknown): boolean {
  const state = sqlState(error);
  if (state) return !/^(22|23|42|54)/.test(state);
  return !(error instanceof TypeError || error instanceof RangeError || (error instanceof EngineError && !error.retryable));
}
