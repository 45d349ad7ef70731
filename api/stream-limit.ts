import type { RequestHandler } from 'express';
import { EngineError } from '../core/errors.ts';
import { localsOf } from './request-log.ts';

/** Each open event stream asks the database four times a second, so one user may hold this many. */
const MOST_STREAMS = 50;

/** Counts open event streams per user, in this process. */
export function limitStreams(): RequestHandler {
  const open = new Map<number, number>();
  return (_req, res, next) => {
    const id = localsOf(res).actor?.id ?? 0;
    const count = (open.get(id) ?? 0) + 1;
    if (count > MOST_STREAMS) return next(new EngineError('too_many', `more than ${MOST_STREAMS} open event streams: close one`));
    open.set(id, count);
    res.once('close', () => {
      const left = (open.get(id) ?? 1) - 1;
      if (left > 0) open.set(id, left);
      else open.delete(id);
    });
    next();
  };
}
