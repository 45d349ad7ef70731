import { Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Request, RequestHandler } from 'express';
import { EngineError } from '../core/errors.ts';
import type { RawBody, RawBodyRule } from './define-route.ts';
import { refuse } from './problem.ts';

const mediaType = (req: Request): string => (req.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

const RAW = Symbol('raw body');
type Carrier = { [RAW]?: RawBody };

/** The body of a route with `raw_body`; an empty one for all others. */
export const rawBodyOf = (req: Request): RawBody => (req as Carrier)[RAW] ?? { type: '', stream: Readable.from([]) };

/**
 * Middleware: offers the body as a stream, unpacked when its Content-Encoding is gzip. Reading fails with `too_large` beyond the limit, which counts
 * unpacked bytes, and with `invalid_input` where the packing is broken; so a handler must read before it changes anything for good.
 */
export function readRawBody({ types, max_bytes }: RawBodyRule): RequestHandler {
  return (req, _res, next) => {
    const type = mediaType(req);
    if (!types.includes(type)) return next(refuse(415, `the body must be ${types.join(' or ')}, got ${JSON.stringify(type.slice(0, 80))}`));
    const encoding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    if (encoding !== 'identity' && encoding !== 'gzip')
      return next(refuse(415, `Content-Encoding must be gzip or absent, got ${JSON.stringify(encoding.slice(0, 80))}`));
    const limited = limitBytes(max_bytes);
    const parts = encoding === 'gzip' ? [req, createGunzip(), limited] : [req, limited];
    (req as Carrier)[RAW] = { type, stream: chained(parts as [Readable, ...Transform[]]) };
    next();
  };
}

/** Errors travel along the chain as ours; the request itself is left open, so that it can be answered. */
function chained([source, ...steps]: [Readable, ...Transform[]]): Readable {
  return steps.reduce((from: Readable, step) => {
    from.on('error', (cause) => step.destroy(asOurs(cause)));
    return from.pipe(step);
  }, source);
}

function asOurs(cause: Error & { code?: string }): Error {
  if (cause instanceof EngineError) return cause;
  if (cause.code?.startsWith('Z_')) return new EngineError('invalid_input', `the body is not valid gzip: ${cause.message}`, { cause });
  return new EngineError('invalid_input', 'the body broke off before its end', { cause });
}

function limitBytes(max_bytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= max_bytes) done(null, chunk);
      else done(new EngineError('too_large', `the body is larger than ${max_bytes} bytes`));
    },
  });
}
