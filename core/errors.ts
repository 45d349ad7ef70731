/** What a caller can do about a failure. One list for HTTP, Temporal and logs; a new kind of failure is a new code. */
export const ErrorCode = {
  invalid_input: 'invalid_input',
  unauthenticated: 'unauthenticated',
  forbidden: 'forbidden',
  not_found: 'not_found',
  conflict: 'conflict',
  quota_exceeded: 'quota_exceeded',
  too_many: 'too_many',
  too_large: 'too_large',
  unsatisfiable: 'unsatisfiable',
  unavailable: 'unavailable',
  timeout: 'timeout',
  superseded: 'superseded',
  internal: 'internal',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** One bad field: `pointer` is a JSON Pointer (RFC 6901) into the request, `detail` names value and expectation. */
export type FieldProblem = { pointer: string; detail: string };

type ErrorOptions = { retryable?: boolean; cause?: unknown; details?: Record<string, unknown>; errors?: FieldProblem[] };

/**
 * The project's only error class. The message names the thing, the value and the expectation:
 * `queue "batch": capacity must be at least 1, got 0`.
 * `retryable`: the same call may succeed later without change. `errors`: one entry per bad field of the input.
 */
export class EngineError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;
  readonly errors: FieldProblem[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.retryable = options.retryable ?? (code === 'unavailable' || code === 'timeout');
    this.details = options.details ?? {};
    this.errors = options.errors ?? [];
  }
}
