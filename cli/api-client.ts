import type { z } from 'zod';
import { EngineError, ErrorCode } from '../core/errors.ts';
import type { Access } from './access.ts';
import { parseEvents, type StreamEvent } from './event-stream.ts';

/** The REST API as commands use it: answers are parsed by the shape that is asked for. Paths start after `/api/v1`. */
export type ApiClient = {
  get<S extends z.ZodType>(path: string, shape: S): Promise<z.output<S>>;
  post<S extends z.ZodType>(path: string, body: unknown, shape: S): Promise<z.output<S>>;
  /** Sends lines of JSON. */
  upload<S extends z.ZodType>(path: string, lines: readonly unknown[], shape: S): Promise<z.output<S>>;
  events(path: string, signal: AbortSignal): AsyncGenerator<StreamEvent>;
};

const LIMIT_MS = 30_000;

/** Every failure arrives as EngineError: `unavailable` when nobody answers, else the code and detail of the problem document. */
export function createApiClient({ url, key }: Pick<Access, 'url' | 'key'>): ApiClient {
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...init.headers };
    const answer = await fetch(`${url}/api/v1${path}`, { ...init, headers }).catch((cause: unknown) => {
      throw new EngineError('unavailable', `no answer from ${url}: expected a running API there`, { cause });
    });
    if (!answer.ok) throw await refusal(answer);
    return answer;
  };
  const limited = () => AbortSignal.timeout(LIMIT_MS);
  return {
    get: async (path, shape) => parse(await call(path, { signal: limited() }), shape),
    post: async (path, body, shape) => parse(await call(path, { method: 'POST', body: JSON.stringify(body), signal: limited() }), shape),
    upload: async (path, lines, shape) => {
      const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      return parse(
        await call(path, { method: 'POST', body, headers: { 'Content-Type': 'application/x-ndjson' }, signal: limited() }),
        shape,
      );
    },
    async *events(path, signal) {
      const { body } = await call(path, { signal });
      if (body) yield* parseEvents(body.pipeThrough(new TextDecoderStream()));
    },
  };
}

async function parse<S extends z.ZodType>(answer: Response, shape: S): Promise<z.output<S>> {
  const parsed = shape.safeParse(await answer.json());
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new EngineError('internal', `${answer.url}: unexpected answer at "${issue?.path.join('.')}": ${issue?.message}`);
}

async function refusal(answer: Response): Promise<EngineError> {
  const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
  const code = Object.values(ErrorCode).find((known) => known === problem.code) ?? 'internal';
  return new EngineError(code, `${answer.url}: ${answer.status} ${problem.detail ?? answer.statusText}`);
}
