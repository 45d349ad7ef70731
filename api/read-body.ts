import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { EngineError } from '../core/errors.ts';
import { BODY_LIMITS, inspectJson, type JsonLimits } from './json-guard.ts';
import { decodeUtf8, parseJson } from './json-text.ts';
import { refuse } from './problem.ts';

const SMALL = { bytes: 262_144, limits: BODY_LIMITS };
const LARGE = { bytes: 8_388_608, limits: { ...BODY_LIMITS, nodes: 200_000 } };

/** `text_bytes`: UTF-8 bytes of one string, where the route takes longer ones than others do. */
export type LargeBody = boolean | { text_bytes: number };

function limitsOf(large: LargeBody | undefined): typeof SMALL {
  if (!large) return SMALL;
  return typeof large === 'object' ? { ...LARGE, limits: { ...LARGE.limits, ...large } } : LARGE;
}

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

const hasBody = (req: Request): boolean => req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;

/**
 * Text to value, with everything refused that could hurt further in: depth before parsing, then reserved keys, size, and strings that
 * PostgreSQL cannot store.
 * @throws EngineError 400 malformed, too deep or reserved keys; 413 too many values; invalid_input bad strings and numbers
 */
export function parseBody(text: string, limits: JsonLimits): unknown {
  if (text.trim() === '') return undefined;
  const value = parseJson(text, 'the body', limits.depth);
  const { reserved, faults, nodes } = inspectJson(value, limits);
  if (reserved.length > 0) throw refuse(400, `${reserved[0]?.pointer}: ${reserved[0]?.detail}`, reserved);
  if (nodes > limits.nodes) throw new EngineError('too_large', `the body holds more than ${limits.nodes} values`);
  if (faults.length > 0)
    throw new EngineError('invalid_input', `${faults[0]?.pointer || 'the body'}: ${faults[0]?.detail}`, { errors: faults });
  return value;
}

/** Middleware: reads a JSON body into `req.body` (undefined without one). Anything but JSON is refused before it is read. */
export function readBody(large: LargeBody | undefined): RequestHandler[] {
  const { bytes, limits } = limitsOf(large);
  const refuseOthers = (req: Request, _res: Response, next: NextFunction) => {
    const type = req.headers['content-type'] ?? '';
    next(
      hasBody(req) && !JSON_TYPE.test(type)
        ? refuse(415, `the body must be application/json in UTF-8, got ${JSON.stringify(type.slice(0, 80))}`)
        : undefined,
    );
  };
  const toValue = (req: Request, _res: Response, next: NextFunction) => {
    req.body = Buffer.isBuffer(req.body) ? parseBody(decodeUtf8(req.body), limits) : undefined;
    next();
  };
  return [refuseOthers, express.raw({ type: () => true, limit: bytes }), toValue];
}
