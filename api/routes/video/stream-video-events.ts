import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { isFinalTask } from '../../../core/states.ts';
import { readEvents } from '../../../entities/video.queries.ts';
import { defineRoute, type RouteContext, type ServerEvent } from '../../define-route.ts';
import { LastEventId } from '../log-lines.ts';
import { TaskPath } from '../paths.ts';
import { visibleVideo } from './video-scope.ts';

const CHUNK = 500;
const POLL_MS = 250;

/** Changes as they are committed, in order, none left out; then one event `end`. State and changes are read in one snapshot. */
async function* changesOf(ctx: RouteContext, task_id: string, from: number): AsyncGenerator<ServerEvent> {
  let after = from;
  while (!ctx.signal.aborted) {
    const found = await readEvents(ctx.em, task_id, { after, limit: CHUNK });
    if (!found) return;
    for (const { id, event, data } of found.events) yield { id, event, data };
    after = found.events.at(-1)?.id ?? after;
    if (found.events.length === CHUNK) continue;
    if (isFinalTask(found.status)) {
      yield { id: null, event: 'end', data: { task_id, status: found.status } };
      return;
    }
    await pause(POLL_MS, undefined, { signal: ctx.signal }).catch(() => undefined);
  }
}

export const streamVideoEventsRoute = defineRoute({
  id: 'streamVideoEvents',
  method: 'get',
  path: '/video/tasks/{uuid}/events',
  summary: 'Follow a video as server-sent events: every change of state, progress and scenes; resumes by Last-Event-ID',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  query: z.strictObject({
    after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).describe('only events with a greater id'),
  }),
  headers: LastEventId,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ params, query, headers }, ctx) => {
    await visibleVideo(ctx, params.uuid);
    const last = headers['last-event-id'];
    return changesOf(ctx, params.uuid, last !== undefined && /^\d{1,15}$/.test(last) ? Number(last) : query.after);
  },
});
