import pLimit from 'p-limit';
import { EngineError } from '../core/errors.ts';

/** How many may be at it, and how many more may wait. */
type Turns = { at_once: number; waiting: number };

/**
 * Bounds what requests that hold much do at once, in this process: further ones wait, with their bodies unread, and where too many wait they are told to come again.
 * The function that it gives throws EngineError unavailable, which is answered with Retry-After.
 */
export function takeTurns({ at_once, waiting }: Turns): <T>(work: () => Promise<T>) => Promise<T> {
  const limit = pLimit(at_once);
  return async (work) => {
    if (limit.activeCount + limit.pendingCount >= at_once + waiting)
      throw new EngineError('unavailable', 'too many requests of this kind at once; try again');
    return await limit(work);
  };
}
