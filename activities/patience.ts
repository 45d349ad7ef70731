import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../config/logger.ts';
import { EngineError } from '../core/errors.ts';
import { sqlState } from '../entities/sql-state.ts';

const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/**
 * True when a repetition cannot mend it: data that the database refuses (classes 22, 23), a statement that it does not understand (42),
 * or a mistake of ours. Everything else, above all a server that is away, passes.
 */
export function isPermanent(error: unknown): boolean {
  const state = sqlState(error);
  if (state) return /^(22|23|42)/.test(state);
  return error instanceof TypeError || error instanceof RangeError || (error instanceof EngineError && !error.retryable);
}

type Patience = { what: string; logger: Logger; signal?: AbortSignal };

/**
 * Does something at a server, however long that is away: backoff up to 5 s, one log line when the trouble begins and one when it is over.
 * Right for writes that are fenced, so that a late one does no harm.
 * @throws whatever is permanent, and the last error once `signal` is aborted
 */
export async function insist<T>(action: () => Promise<T>, patience: Patience): Promise<T> {
  const { what, logger, signal } = patience;
  for (let tries = 0; ; tries += 1) {
    const answer = await once(action, { ...patience, tries });
    if (!answer) {
      await pause(Math.min(LONGEST_MS, FIRST_MS * 2 ** tries), undefined, { signal }).catch(() => undefined);
      continue;
    }
    if (tries > 0) logger.info({ tries }, `${what}: done at last`);
    return answer.value;
  }
}

/** @returns null when it is worth trying again */
async function once<T>(
  action: () => Promise<T>,
  { what, logger, signal, tries }: Patience & { tries: number },
): Promise<{ value: T } | null> {
  try {
    return { value: await action() };
  } catch (cause) {
    if (isPermanent(cause) || signal?.aborted) throw cause;
    if (tries === 0) logger.warn({ err: cause }, `${what}: no answer, trying again`);
    return null;
  }
}
