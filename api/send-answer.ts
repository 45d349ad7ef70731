import type { Request, Response } from 'express';
import { EngineError } from '../core/errors.ts';
import type { Route } from './define-route.ts';
import { isDownload, sendDownload } from './send-download.ts';
import { sendEvents } from './send-events.ts';
import { sendPictures } from './send-pictures.ts';
import { writeChunk } from './write-chunk.ts';

type Answer = { body: unknown; headers: Record<string, string>; signal: AbortSignal };
type Exchange = { req: Request; res: Response };

const isStream = (body: unknown): body is AsyncIterable<unknown> =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body;

/**
 * Sends what a handler returned. JSON goes through the route's response schema, so that a column nobody declared cannot leak.
 * @throws EngineError internal: the answer does not match its schema
 */
export async function sendAnswer(route: Route, answer: Answer, { req, res }: Exchange): Promise<void> {
  res.status(route.response.status).set({ 'Cache-Control': 'no-store', ...answer.headers });
  if (isDownload(answer.body)) return await sendDownload(answer.body, answer.signal, { req, res });
  if (isStream(answer.body)) return await sendStream(route, answer, { req, res });
  if (route.response.schema === null) {
    res.end();
    return;
  }
  const parsed = route.response.schema.safeParse(answer.body);
  if (!parsed.success) throw new EngineError('internal', `answer of ${route.id} does not match its schema`, { cause: parsed.error });
  const link = nextLink(req, parsed.data);
  if (link) res.set('Link', link);
  res.type('application/json').send(JSON.stringify(parsed.data));
}

/** RFC 8288: where the next page is, with the filters of this one. */
function nextLink(req: Request, data: unknown): string | null {
  const cursor = (data as { next_cursor?: unknown } | null)?.next_cursor;
  if (typeof cursor !== 'string') return null;
  const url = new URL(req.originalUrl, 'http://api');
  url.searchParams.set('cursor', cursor);
  return `<${url.pathname}${url.search}>; rel="next"`;
}

async function sendStream(route: Route, { body, signal }: Answer, { req, res }: Exchange): Promise<void> {
  const source = req.method === 'HEAD' ? none() : (body as AsyncIterable<never>);
  if (route.response.stream === 'text/event-stream') return await sendEvents(res, { events: source, signal });
  if (route.response.stream === 'multipart/x-mixed-replace') return await sendPictures(res, { pictures: source, signal });
  res.type('text/plain; charset=utf-8');
  for await (const chunk of source) if (!(await writeChunk(res, chunk, signal))) return;
  res.end();
}

async function* none(): AsyncGenerator<never> {}
