import type { Response } from 'express';
import type { ServerEvent } from './define-route.ts';
import { writeChunk } from './write-chunk.ts';

const HEARTBEAT_MS = 15_000;

/** What a browser must wait before it connects again, in ms. */
const RETRY_MS = 1_000;

/** One event as the wire has it. JSON holds no line breaks, so one data line is enough. */
export const formatEvent = ({ id, event, data }: ServerEvent): string =>
  `${id === null ? '' : `id: ${id}\n`}${event === null ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

type Sending = { events: AsyncIterable<ServerEvent>; signal: AbortSignal };

/**
 * Sends server-sent events (WHATWG) until they end, the client goes or the server stops. A comment every 15 s keeps proxies from closing
 * the connection; no proxy may buffer or compress.
 */
export async function sendEvents(res: Response, { events, signal }: Sending): Promise<void> {
  res.set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache, no-transform', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
  res.write(`retry: ${RETRY_MS}\n\n`);
  const heartbeat = setInterval(() => res.write(': alive\n\n'), HEARTBEAT_MS);
  try {
    for await (const event of events) if (!(await writeChunk(res, formatEvent(event), signal))) break;
  } finally {
    clearInterval(heartbeat);
    res.end();
  }
}
