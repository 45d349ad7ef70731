import { EngineError, type ErrorCode, type FieldProblem } from '../core/errors.ts';

/** RFC 9457 problem details, with the code, the request's id and one entry per bad field. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  request_id: string;
  errors: FieldProblem[];
};

const STATUS: Record<ErrorCode, number> = {
  invalid_input: 422,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  quota_exceeded: 429,
  too_many: 429,
  too_large: 413,
  unsatisfiable: 422,
  unavailable: 503,
  timeout: 504,
  superseded: 409,
  internal: 500,
};

const TITLES: Record<number, string> = {
  400: 'Malformed request',
  401: 'Not authenticated',
  403: 'Not permitted',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  416: 'Range not satisfiable',
  422: 'Invalid input',
  429: 'Too many requests',
  431: 'Header fields too large',
  500: 'Internal error',
  503: 'Temporarily unavailable',
  504: 'Timed out',
};

/** Codes of refusals that HTTP itself knows and the rest of the engine does not. */
const HTTP_CODES: Record<number, string> = {
  400: 'malformed_request',
  405: 'method_not_allowed',
  413: 'too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
};

/** Seconds after which a repetition may help; other answers have no Retry-After. */
const RETRY_AFTER: Record<string, string> = { unavailable: '1', timeout: '1', too_many: '1', quota_exceeded: '60' };

/** A refusal of the request as such: 400 malformed, 405 wrong method, 415 wrong media type, 416 range outside of the file. */
export const refuse = (status: 400 | 405 | 415 | 416, message: string, errors: FieldProblem[] = []): EngineError =>
  new EngineError('invalid_input', message, { details: { http_status: status }, errors });

/** 405 with the methods that would do. */
export const refuseMethod = (method: string, allow: string): EngineError =>
  new EngineError('invalid_input', `the method ${method} is not supported here, only ${allow}`, { details: { http_status: 405, allow } });

/** What to answer, and how loudly to log it: `bug` errors are ours, `fault` ones those of the surroundings. */
export type Translation = { problem: Problem; headers: Record<string, string>; severity: 'none' | 'fault' | 'bug' };

/** Translates anything thrown into an answer. Inner texts of unknown errors (SQL, paths, stacks) never leave the process. */
export function toProblem(error: unknown, request: { instance: string; request_id: string }): Translation {
  const known = error instanceof EngineError ? error : (fromHttpLayer(error) ?? fromDatabase(error) ?? hidden());
  const own = known.details.http_status;
  const status = typeof own === 'number' ? own : STATUS[known.code];
  const code = (typeof own === 'number' && HTTP_CODES[own]) || known.code;
  const detail = known.code === 'internal' ? 'The server failed; the log has the reason under this request id.' : known.message;
  const problem: Problem = {
    type: `urn:problem:${code}`,
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    instance: request.instance,
    code,
    request_id: request.request_id,
    errors: known.errors,
  };
  return { problem, headers: headersOf(code, known), severity: severityOf(error, status) };
}

function headersOf(code: string, error: EngineError): Record<string, string> {
  const wait = error.details.retry_after_s;
  const retryAfter = typeof wait === 'number' ? String(Math.max(1, Math.ceil(wait))) : RETRY_AFTER[code];
  return {
    ...(retryAfter ? { 'Retry-After': retryAfter } : {}),
    ...(code === 'unauthenticated' ? { 'WWW-Authenticate': 'Bearer realm="orchestrator"' } : {}),
    ...(typeof error.details.allow === 'string' ? { Allow: error.details.allow } : {}),
  };
}

function severityOf(error: unknown, status: number): Translation['severity'] {
  if (status === 503 || status === 504) return 'fault';
  const ours = status >= 500 || (!(error instanceof EngineError) && sqlState(error) !== null);
  return ours ? 'bug' : 'none';
}

const hidden = (): EngineError => new EngineError('internal', 'internal error');

/** Errors of Express and body-parser: they carry a `status` below 500 and a `type`. Their texts may repeat the body, so they are replaced. */
function fromHttpLayer(error: unknown): EngineError | null {
  const status = property(error, 'status');
  if (typeof status !== 'number' || status < 400 || status >= 500) return null;
  if (status === 413) return new EngineError('too_large', 'the request body is too large');
  if (status === 415) return refuse(415, 'the content encoding or charset of the body is not supported: use UTF-8, plain or gzip');
  return refuse(400, error instanceof URIError ? 'the path is not validly percent-encoded' : 'the request could not be read');
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH']);
/** Lost connections that node-postgres reports without any code. */
const CONNECTION_LOST =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool)/;

/** PostgreSQL's refusals by class. Class 22 and 23 mean that a check of ours is missing: a 4xx for the caller, an error in the log for us. */
function fromDatabase(error: unknown): EngineError | null {
  if (isConnectionLoss(error)) return unavailable();
  const state = sqlState(error);
  if (state === null) return null;
  if (/^(08|25|40|53|57|55P03)/.test(state)) return unavailable();
  if (state.startsWith('22') || state === '23502' || state.startsWith('54'))
    return new EngineError('invalid_input', 'the database cannot store one of the values');
  if (state.startsWith('23')) return new EngineError('conflict', 'the change contradicts what is stored');
  return null;
}

const unavailable = (): EngineError => new EngineError('unavailable', 'the database cannot answer now; try again');

function isConnectionLoss(error: unknown): boolean {
  return chain(error).some((e) => UNREACHABLE.has(String(property(e, 'code'))) || CONNECTION_LOST.test(String(property(e, 'message'))));
}

function sqlState(error: unknown): string | null {
  const codes = chain(error).map((e) => property(e, 'code'));
  return (codes.find((code) => typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) as string | undefined) ?? null;
}

/** The error and its causes, at most five deep. */
function chain(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let e = error; e !== undefined && e !== null && found.length < 5; e = property(e, 'cause') ?? property(e, 'previous')) found.push(e);
  return found;
}

const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
