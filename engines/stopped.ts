import { EngineError } from '../core/errors.ts';
import { ended, type Outcome } from '../core/outcome.ts';
import type { EngineContext, StopReason } from './define-engine.ts';

/** Why the signal was aborted, as far as the work is concerned: the total time-out is a time-out. An abort without a known reason (a bare `abort()`) counts as cancel. */
export function stopReason(signal: AbortSignal): Exclude<StopReason, 'total_timeout'> {
  const reason: unknown = signal.reason;
  if (reason === 'total_timeout') return 'timeout';
  return reason === 'timeout' || reason === 'superseded' || reason === 'shutdown' ? reason : 'cancel';
}

/**
 * How an aborted run ends, to be called when its work has stopped: an outcome where the instance ends, an error where it does not.
 * @throws EngineError superseded: another execution owns the instance, or this worker stops; nothing may be written
 */
export function stoppedOutcome(
  { signal, instance }: Pick<EngineContext, 'signal' | 'instance'>,
  details: Record<string, unknown> = {},
): Outcome {
  const reason = stopReason(signal);
  if (reason === 'cancel') return ended('cancelled', { code: 'cancelled', message: 'cancelled while it ran', details });
  if (reason === 'timeout') {
    return ended('timed_out', { code: 'timed_out', message: `ran longer than its time-out of ${instance.timeout} s`, details });
  }
  const why = reason === 'shutdown' ? 'the worker is stopping' : 'another execution has taken over';
  throw new EngineError('superseded', `instance ${instance.runid}: ${why}`, { details: { reason }, retryable: reason === 'shutdown' });
}
