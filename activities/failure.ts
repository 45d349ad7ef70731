import { ApplicationFailure } from '@temporalio/common';
import { EngineError } from '../core/errors.ts';
import { sqlState } from '../entities/sql-state.ts';

/**
 * An error of the engine's side as Temporal spells it: the type is the code. Always retryable, because an activity throws only for faults of
 * the surroundings. The message stays here: it may quote data, and histories keep it.
 */
export function toFailure(cause: unknown): ApplicationFailure {
  const code = cause instanceof EngineError ? cause.code : sqlState(cause) ? 'database' : 'surroundings';
  return ApplicationFailure.retryable('the execution was interrupted; the log of the worker says why', code);
}
