import type { Express } from 'express';
import { type HttpServer, listen } from '../../api/http-server.ts';

/** Serves an application on a free port of loopback for tests that need a real connection. */
export const serve = async (app: Express): Promise<HttpServer> => await listen(app, { host: '127.0.0.1', port: 0 });

/** One server-sent event as a browser would see it. */
export type ReceivedEvent = { id: string | null; event: string; data: unknown };

function parseEvent(block: string): ReceivedEvent | null {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
  const field = (name: string) => fields.find((match) => match?.[1] === name)?.[2] ?? null;
  const data = field('data');
  return data === null ? null : { id: field('id'), event: field('event') ?? 'message', data: JSON.parse(data) };
}

/** Reads events until the stream ends; leaving the loop closes the connection. */
export async function* receiveEvents(url: string, headers: Record<string, string>): AsyncGenerator<ReceivedEvent> {
  const closing = new AbortController();
  const answer = await fetch(url, { headers, signal: closing.signal });
  if (!answer.ok || !answer.body) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  let rest = '';
  try {
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
      }
    }
  } finally {
    closing.abort();
  }
}
