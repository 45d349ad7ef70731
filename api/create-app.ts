import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import { makeSubmitting } from '../commands/submitting.ts';
import { EngineError } from '../core/errors.ts';
import type { MikroORM } from '../entities/orm.ts';
import type { Em } from '../entities/sql.ts';
import { createAuthenticator } from './authenticate.ts';
import type { Shared } from './define-route.ts';
import { docsRouter } from './docs.ts';
import { healthRouter } from './health.ts';
import { createMetrics } from './metrics.ts';
import { mountRoutes } from './mount-routes.ts';
import { toProblem } from './problem.ts';
import { limitPerAddress } from './rate-limit.ts';
import { localsOf, requestId, requestLog } from './request-log.ts';
import { routes } from './routes/index.ts';

/** What the application is made of; it connects to nothing by itself. `temporal_address` is only looked at by /readyz. */
export type AppParts = Shared & { orm: MikroORM; temporal_address: string | null };

/** Answers are data: nothing in them may load or frame anything. Pages bring a policy of their own. TLS, and with it HSTS, belongs to a proxy. */
const HEADERS: HelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  strictTransportSecurity: false,
  crossOriginOpenerPolicy: false,
};

const noSuchPath: RequestHandler = (req, _res, next) => next(new EngineError('not_found', `the path ${req.path} leads nowhere`));

/** The REST API as an Express application: every answer has a request id, every refusal is problem+json. */
export function createApp(parts: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  const metrics = createMetrics(parts.orm, parts.config.LOST_AFTER_S);
  const submitting = makeSubmitting(() => parts.orm.em.fork() as Em);
  app.use(requestId, requestLog(parts.logger, metrics), helmet(HEADERS));
  app.use(healthRouter(parts, metrics));
  app.use(docsRouter(routes));
  app.use('/api/v1', limitPerAddress(parts.config.RATE_LIMIT_PER_MINUTE));
  app.use('/api/v1', mountRoutes(routes, { ...parts, authenticator: createAuthenticator(parts.orm, parts.logger), submitting }));
  app.use(noSuchPath);
  app.use(problems(parts));
  return app;
}

/** The last middleware: whatever was thrown becomes an answer, and what is our fault goes into the log with its cause. */
function problems({ logger }: AppParts): ErrorRequestHandler {
  // biome-ignore lint/complexity/useMaxParams: Express knows error handlers by their four parameters
  return (error, req, res, next) => {
    const { request_id } = localsOf(res);
    const { problem, headers, severity } = toProblem(error, { instance: req.originalUrl.split('?')[0] ?? '', request_id });
    if (severity === 'bug') logger.error({ err: error, request_id, status: problem.status }, 'request failed by a fault of the server');
    if (severity === 'fault') logger.warn({ err: error, request_id, status: problem.status }, 'request could not be served now');
    if (res.headersSent) return next(error);
    res.status(problem.status).set(headers).type('application/problem+json').send(JSON.stringify(problem));
  };
}
