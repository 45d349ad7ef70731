import type { Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, type RateLimitInfo, rateLimit } from 'express-rate-limit';
import { EngineError } from '../core/errors.ts';
import { localsOf } from './request-log.ts';

const WINDOW_MS = 60_000;

/** Several keys may share an address, so an address may do twice what a key may. */
const ADDRESS_FACTOR = 2;

type Limit = {
  identifier: string;
  perMinute: number;
  /** Whether answers tell what is left. Each such header costs a hash, so only one of the two limits is told. */
  told: boolean;
  keyOf: (req: Request, res: Response) => string;
};

function limit({ identifier, perMinute, told, keyOf }: Limit): RequestHandler {
  if (perMinute === 0) return (_req, _res, next) => next();
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: perMinute,
    standardHeaders: told ? 'draft-8' : false,
    legacyHeaders: false,
    identifier,
    keyGenerator: keyOf,
    handler: (req, _res, next) => {
      const { resetTime } = (req as Request & { rateLimit: RateLimitInfo }).rateLimit;
      const retry_after_s = ((resetTime?.getTime() ?? Date.now()) - Date.now()) / 1000;
      next(new EngineError('too_many', `more than ${perMinute} requests a minute per ${identifier}`, { details: { retry_after_s } }));
    },
  });
}

/** Before authentication and before any body is read: guessing keys and malformed bodies cost their sender too. */
export const limitPerAddress = (perMinute: number): RequestHandler =>
  limit({ identifier: 'address', perMinute: perMinute * ADDRESS_FACTOR, told: false, keyOf: (req) => ipKeyGenerator(req.ip ?? 'unknown') });

/** After authentication, before the body is read. */
export const limitPerUser = (perMinute: number): RequestHandler =>
  limit({ identifier: 'key', perMinute, told: true, keyOf: (_req, res) => String(localsOf(res).actor?.id ?? 0) });
