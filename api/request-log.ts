import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Actor } from '../commands/context.ts';
import type { Logger } from '../config/logger.ts';
import type { HttpMetrics } from './metrics.ts';

/** What middleware leaves for those behind it: `res.locals` with types. `route`: the path as declared, for metrics. */
export type Locals = { request_id: string; actor?: Actor; route?: string };

export const localsOf = (res: Response): Locals => res.locals as Locals;

const ACCEPTED = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/** Accepts a sane X-Request-Id, else makes one; echoes it, so that an answer can be found in the log. */
export const requestId: RequestHandler = (req: Request, res: Response, next: NextFunction) => {
  const given = req.get('x-request-id') ?? '';
  localsOf(res).request_id = ACCEPTED.test(given) ? given : randomUUID();
  res.setHeader('X-Request-Id', localsOf(res).request_id);
  next();
};

/** One line and one measurement per request, when it is over. Never headers or bodies: they hold keys. */
export function requestLog(logger: Logger, metrics: HttpMetrics): RequestHandler {
  return (req, res, next) => {
    const started = process.hrtime.bigint();
    const path = req.originalUrl.split('?', 1)[0];
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const { request_id, actor, route } = localsOf(res);
      metrics.observe({ method: req.method, route: route ?? 'none', status: res.statusCode, seconds });
      logger.info(
        {
          method: req.method,
          path,
          status: res.statusCode,
          ms: Math.round(seconds * 1e5) / 100,
          user: actor?.username,
          request_id,
        },
        'request',
      );
    });
    next();
  };
}
