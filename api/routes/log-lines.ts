import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { isFinalInstance } from '../../core/states.ts';
import { type LogTail, readLogTail } from '../../entities/instance.queries.ts';
import type { LogLine, LogPage } from '../../schemas/instance.ts';
import { LogStream } from '../../schemas/instance.ts';
import type { RouteContext, ServerEvent } from '../define-route.ts';

/** Lines per statement when streaming. */
const CHUNK = 1_000;
const POLL_MS = 250;

const after = z.coerce.number().int().min(0).max(2_147_483_647);

/** `text` streams all lines; `json` is one page of them. `after`: only lines with a greater `seq`. */
export const LogQuery = z.strictObject({
  format: z.enum(['text', 'json']).default('text'),
  after: after.default(0),
  limit: z.coerce.number().int().min(1).max(10_000).optional().describe('most lines; default: all as text, 1,000 as JSON'),
  stream: LogStream.optional(),
});
export type LogQuery = z.output<typeof LogQuery>;

export const LogStreamQuery = z.strictObject({ after: after.default(0), stream: LogStream.optional() });

/** A browser sends the last id it saw; what is not a number was not one of ours and counts as none. */
export const LastEventId = z.object({ 'last-event-id': z.string().max(20).optional() });

export const resumeAfter = (query: number, lastEventId: string | undefined): number =>
  lastEventId !== undefined && /^\d{1,9}$/.test(lastEventId) ? Number(lastEventId) : query;

/** The logs of an instance as the query asks: a page, or text in chunks. */
export async function answerLogs(ctx: RouteContext, runid: string, query: LogQuery): Promise<LogPage | AsyncIterable<string>> {
  const stream = query.stream ?? null;
  if (query.format === 'text') return textOf(ctx, { runid, after: query.after, limit: query.limit ?? Number.POSITIVE_INFINITY, stream });
  const limit = query.limit ?? CHUNK;
  const tail = await readLogTail(ctx.em, { runid, after: query.after, limit: limit + 1, stream });
  const lines = tail?.lines ?? [];
  const items = lines.slice(0, limit);
  return { items, next_after: lines.length > limit ? (items.at(-1)?.seq ?? null) : null };
}

type Wanted = { runid: string; after: number; limit: number; stream: LogLine['stream'] | null };

async function* textOf(ctx: RouteContext, wanted: Wanted): AsyncGenerator<string> {
  let { after, limit } = wanted;
  while (limit > 0) {
    const tail = await readLogTail(ctx.em, { ...wanted, after, limit: Math.min(CHUNK, limit) });
    const lines = tail?.lines ?? [];
    if (lines.length > 0) yield `${lines.map(({ line }) => line).join('\n')}\n`;
    if (lines.length < CHUNK) return;
    limit -= lines.length;
    after = lines.at(-1)?.seq ?? after;
  }
}

/**
 * Lines as they are stored, then one event `end` with the final status. State and lines are read in one snapshot, so the end is never
 * announced before the last line.
 */
export async function* followLogs(ctx: RouteContext, wanted: Omit<Wanted, 'limit'>): AsyncGenerator<ServerEvent> {
  let { after } = wanted;
  while (!ctx.signal.aborted) {
    const tail: LogTail | null = await readLogTail(ctx.em, { ...wanted, after, limit: CHUNK });
    if (!tail) return;
    for (const line of tail.lines) yield { id: line.seq, event: null, data: line };
    after = tail.lines.at(-1)?.seq ?? after;
    if (tail.lines.length === CHUNK) continue;
    if (isFinalInstance(tail.status)) {
      yield { id: null, event: 'end', data: { runid: wanted.runid, status: tail.status } };
      return;
    }
    await pause(POLL_MS, undefined, { signal: ctx.signal }).catch(() => undefined);
  }
}
