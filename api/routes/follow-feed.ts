import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type Follow, lastSeq } from '../../entities/feed.queries.ts';
import type { RouteContext, ServerEvent } from '../define-route.ts';
import { resumeAfter } from './log-lines.ts';

const POLL_MS = 500;
const CHUNK = 500;

/** Where a stream starts: after this number, or without it with what comes from now on. */
export const FeedStart = {
  after: z.coerce.number().int().min(0).max(999_999_999).optional().describe('default: only what comes from now on'),
};

export type Feed<T> = {
  name: string;
  after: number | undefined;
  last_event_id: string | undefined;
  read(follow: Follow): Promise<T[]>;
  event(item: T): Omit<ServerEvent, 'id'>;
};

/** Rows of a numbered table as they appear, for ever. A client that comes back with the last id misses nothing. */
export async function* followFeed<T extends { seq: number | null }>(ctx: RouteContext, feed: Feed<T>): AsyncGenerator<ServerEvent> {
  let after = resumeAfter(feed.after ?? (await lastSeq(ctx.em, feed.name)), feed.last_event_id);
  while (!ctx.signal.aborted) {
    const items = await feed.read({ after, limit: CHUNK });
    for (const item of items) yield { id: item.seq, ...feed.event(item) };
    after = items.at(-1)?.seq ?? after;
    if (items.length < CHUNK) await pause(POLL_MS, undefined, { signal: ctx.signal }).catch(() => undefined);
  }
}
