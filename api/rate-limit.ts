import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { EngineError } from '../core/errors.ts';
import { localsOf } from './request-log.ts';

const WINDOW_MS = 60_000;

/** Several keys may share an address, so an address may do twice what a key may. */
const ADDRESS_FACTOR = 2;

type Limit = {
  identifier: string;
  perMinute: number;
  keyOf: (req: Parameters<RequestHandler>[0], res: Parameters<RequestHandler>[1]) => string;
};

function limit({ identifier, perMinute, keyOf }: Limit): RequestHandler {
  if (perMinute === 0) return (_req, _res, next) => next();
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier,
    keyGenerator: keyOf,
    handler: (_req, res, next) => {
      const retry_after_s = Number(res.getHeader('Retry-After') ?? 1);
      next(new EngineError('too_many', `more than ${perMinute} requests a minute per ${identifier}`, { details: { retry_after_s } }));
    },
  });
}

/** Before authentication and before any body is read: guessing keys and malformed bodies cost their sender too. */
export const limitPerAddress = (perMinute: number): RequestHandler =>
  limit({ identifier: 'address', perMinute: perMinute * ADDRESS_FACTOR, keyOf: (req) => ipKeyGenerator(req.ip ?? 'unknown') });

/** After authentication, before the body is read. */
export const limitPerUser = (perMinute: number): RequestHandler =>
  limit({ identifier: 'key', perMinute, keyOf: (_req, res) => String(localsOf(res).actor?.id ?? 0) });
