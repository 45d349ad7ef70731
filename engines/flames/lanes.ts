import { stopReason } from '../stopped.ts';

/** `starting`: aborted as soon as no call may begin any more; `signal`: aborted when those under way must end too. `halt` stops the beginning. */
export type CallSignals = { starting: AbortSignal; signal: AbortSignal; halt(): void; abort(why: unknown): void; close(): void };

/**
 * Signals for the calls of a run: aborted with its own, only that after a cancellation calls under way have their grace. `close` takes the timer away.
 * @param graceS see `EngineContext.graceS`
 */
export function callSignals(signal: AbortSignal, graceS: () => number | null): CallSignals {
  const [calls, halting] = [new AbortController(), new AbortController()];
  let timer: NodeJS.Timeout | null = null;
  const onAbort = () => {
    const grace_ms = stopReason(signal) === 'cancel' ? (graceS() ?? 0) * 1_000 : 0;
    if (grace_ms === 0) calls.abort(signal.reason);
    else timer = setTimeout(() => calls.abort(signal.reason), grace_ms);
  };
  if (signal.aborted) calls.abort(signal.reason);
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    starting: AbortSignal.any([signal, calls.signal, halting.signal]),
    signal: calls.signal,
    halt: () => halting.abort('halted'),
    abort: (why) => calls.abort(why),
    close: () => {
      if (timer) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}

/** `isStopped`: whether no further piece may be begun; `count`: pieces at once. */
export type LaneOptions<T> = { count: number; isStopped(): boolean; handle(piece: T): Promise<void>; failed(cause: unknown): void };

/**
 * Works through pieces, several at a time, in their order. After a failure no piece is begun any more; those under way are waited for.
 * @throws the first failure
 */
export async function runLanes<T>(pieces: AsyncIterator<T>, { count, isStopped, handle, failed }: LaneOptions<T>): Promise<void> {
  let failure: { cause: unknown } | null = null;
  const lane = async () => {
    while (failure === null && !isStopped()) {
      const next = await pieces.next();
      if (next.done) return;
      await handle(next.value);
    }
  };
  const note = (cause: unknown) => {
    failure ??= { cause };
    failed(cause);
  };
  await Promise.all(Array.from({ length: count }, () => lane().catch(note)));
  const found = failure as { cause: unknown } | null;
  if (found) throw found.cause;
}
