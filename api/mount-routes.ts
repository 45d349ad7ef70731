import { type RequestHandler, type Response, Router } from 'express';
import type { Actor } from '../commands/context.ts';
import type { Submitting } from '../commands/submitting.ts';
import { EngineError } from '../core/errors.ts';
import type { MikroORM } from '../entities/orm.ts';
import type { Authenticator } from './authenticate.ts';
import { isEndless, type Reply, type Rights, type Route, type RouteContext, type Shared } from './define-route.ts';
import { parseInput } from './parse-input.ts';
import { refuseMethod } from './problem.ts';
import { limitPerUser } from './rate-limit.ts';
import { readBody } from './read-body.ts';
import { rawBodyOf, readRawBody } from './read-raw-body.ts';
import { localsOf } from './request-log.ts';
import { sendAnswer } from './send-answer.ts';
import { limitStreams } from './stream-limit.ts';
import { streamSignal } from './stream-signal.ts';

export type RouteParts = Shared & { orm: MikroORM; authenticator: Authenticator; submitting: Submitting };

const RANK: Record<Rights, number> = { user: 0, operator: 1, admin: 2 };

/** True when a role may call routes of these rights. */
export const permits = (rights: Rights, role: Actor['role']): boolean => RANK[role] >= RANK[rights];

/** Braces to Express's colons: `/tasks/{uuid}` → `/tasks/:uuid`. */
export const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** Builds a router from the list of routes; a known path with another method gets 405 with Allow. */
export function mountRoutes(routes: readonly Route[], parts: RouteParts): Router {
  const router = Router({ caseSensitive: true });
  const perUser = limitPerUser(parts.config.RATE_LIMIT_PER_MINUTE);
  const streams = limitStreams();
  for (const route of routes) {
    const limits = isEndless(route) ? [perUser, streams] : [perUser];
    const body = route.raw_body ? [readRawBody(route.raw_body)] : readBody(route.large_body);
    const chain = [noteRoute(route), authenticate(route, parts.authenticator), ...limits, ...body, run(route, parts)];
    router[route.method](expressPath(route.path), ...chain);
  }
  for (const [path, allow] of allowedMethods(routes)) router.all(expressPath(path), wrongMethod(path, allow));
  return router;
}

function allowedMethods(routes: readonly Route[]): Map<string, string> {
  const byPath = Map.groupBy(routes, (route) => route.path);
  const withHead = (method: string) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]);
  return new Map([...byPath].map(([path, list]) => [path, list.flatMap((route) => withHead(route.method)).join(', ')]));
}

function wrongMethod(path: string, allow: string): RequestHandler {
  return (req, res, next) => {
    localsOf(res).route = path;
    next(refuseMethod(req.method, allow));
  };
}

const noteRoute =
  (route: Route): RequestHandler =>
  (_req, res, next) => {
    localsOf(res).route = route.path;
    next();
  };

function authenticate(route: Route, authenticator: Authenticator): RequestHandler {
  return async (req, res, next) => {
    const actor = await authenticator.authenticate(req.headers.authorization);
    localsOf(res).actor = actor;
    if (!permits(route.rights, actor.role)) {
      throw new EngineError(
        'forbidden',
        `${route.method.toUpperCase()} ${route.path} is for the role "${route.rights}", not "${actor.role}"`,
      );
    }
    next();
  };
}

function run(route: Route, parts: RouteParts): RequestHandler {
  return async (req, res) => {
    const input = parseInput(route, { params: req.params, query: req.query, headers: req.headers, body: req.body });
    const ctx = contextOf(route, parts, res);
    const result = await route.handle({ ...input, raw: rawBodyOf(req) }, ctx);
    const { body, headers, also } = isReply(result) ? result : { body: result, headers: {} };
    const answered = also && route.also ? { ...route, response: route.also } : route;
    await sendAnswer(answered, { body, headers, signal: ctx.signal }, { req, res });
  };
}

const isReply = (value: unknown): value is Reply<unknown> =>
  typeof value === 'object' && value !== null && 'reply' in value && value.reply === true;

function contextOf(route: Route, parts: RouteParts, res: Response): RouteContext {
  const { request_id, actor } = localsOf(res);
  return {
    ...parts,
    em: parts.orm.em.fork(),
    lost_after_s: parts.config.LOST_AFTER_S,
    actor: actor as Actor,
    request_id,
    signal: route.response.stream === undefined && route.response.download === undefined ? parts.stopping : streamSignal({ ...parts, res }),
    forgetKeys: parts.authenticator.forget,
  };
}
