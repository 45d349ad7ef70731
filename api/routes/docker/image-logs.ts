import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { deleteImageLog } from '../../../commands/delete-image-log.ts';
import { EngineError } from '../../../core/errors.ts';
import { countImageLogs, findImageLog, isKnownImage, listImageLogs } from '../../../entities/docker.queries.ts';
import { DockerImageLog, IMAGE_OPERATIONS, IMAGE_STATUSES, ImageLogStats } from '../../../schemas/docker.ts';
import { Instant, Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute, type RouteContext, type ServerEvent } from '../../define-route.ts';
import { NumberPath } from '../container-logs/paths.ts';
import { ImagePath } from './paths.ts';

const POLL_MS = 300;

const Filter = {
  ...PageQuery,
  operation: words(IMAGE_OPERATIONS).optional().describe('comma-separated'),
  status: words(IMAGE_STATUSES).optional().describe('comma-separated'),
  worker: Name.optional(),
  docker_id: z.string().min(1).max(200).optional(),
  task_id: z.uuid().toLowerCase().optional(),
  from: Instant.optional(),
  to: Instant.optional(),
};

export const listImageLogsRoute = defineRoute({
  id: 'listImageLogs',
  method: 'get',
  path: '/docker/image-logs',
  summary: 'List operations on images, newest first',
  tags: ['docker'],
  rights: 'operator',
  query: z.strictObject({ ...Filter, image_name: z.string().min(1).max(255).optional() }),
  response: { status: 200, schema: pageOf(DockerImageLog) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listImageLogs(ctx.em, filter, { limit, cursor: cursor ?? null }),
});

export const listLogsOfImageRoute = defineRoute({
  id: 'listLogsOfImage',
  method: 'get',
  path: '/docker/image-logs/image/{image_id}',
  summary: 'List operations on one image, by its id or name',
  tags: ['docker'],
  rights: 'operator',
  params: ImagePath,
  query: z.strictObject(Filter),
  response: { status: 200, schema: pageOf(DockerImageLog) },
  handle: async ({ params: { image_id }, query: { limit, cursor, ...filter } }, ctx) => {
    const page = await listImageLogs(ctx.em, { ...filter, image: image_id }, { limit, cursor: cursor ?? null });
    if (page.items.length === 0 && !(await isKnownImage(ctx.em, image_id)))
      throw new EngineError('not_found', `image "${image_id}": none is known`);
    return page;
  },
});

async function shown(ctx: RouteContext, id: number): Promise<DockerImageLog> {
  const log = await findImageLog(ctx.em, id);
  if (!log) throw new EngineError('not_found', `image log ${id}: there is none`);
  return log;
}

export const getImageLogRoute = defineRoute({
  id: 'getImageLog',
  method: 'get',
  path: '/docker/image-logs/{id}',
  summary: 'Show one operation on images',
  tags: ['docker'],
  rights: 'operator',
  params: NumberPath,
  response: { status: 200, schema: DockerImageLog },
  handle: async ({ params }, ctx) => await shown(ctx, params.id),
});

/** The row whenever it has changed, then one event `end` with its last state. */
async function* changes(ctx: RouteContext, first: DockerImageLog): AsyncGenerator<ServerEvent> {
  let last = '';
  for (let log: DockerImageLog | null = first; log; log = await findImageLog(ctx.em, first.id)) {
    const now = JSON.stringify([log.status, log.progress]);
    if (log.status !== 'started') return yield { id: null, event: 'end', data: log };
    if (now !== last) yield { id: null, event: 'progress', data: log };
    last = now;
    await pause(POLL_MS, undefined, { signal: ctx.signal }).catch(() => undefined);
    if (ctx.signal.aborted) return;
  }
}

export const streamImageLogRoute = defineRoute({
  id: 'streamImageLog',
  method: 'get',
  path: '/docker/image-logs/{id}/events',
  summary: 'Follow an operation on images as server-sent events: layers, bytes, and its end',
  tags: ['docker'],
  rights: 'operator',
  params: NumberPath,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ params }, ctx) => changes(ctx, await shown(ctx, params.id)),
});

export const deleteImageLogRoute = defineRoute({
  id: 'deleteImageLog',
  method: 'delete',
  path: '/docker/image-logs/{id}',
  summary: 'Delete the row of an operation that has ended',
  tags: ['docker'],
  rights: 'operator',
  params: NumberPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteImageLog(ctx, params.id),
});

export const getImageLogStatsRoute = defineRoute({
  id: 'getImageLogStats',
  method: 'get',
  path: '/docker/image-logs/stats',
  summary: 'Count operations on images by kind and end',
  tags: ['docker'],
  rights: 'operator',
  query: z.strictObject({ from: Instant.optional(), to: Instant.optional() }),
  response: { status: 200, schema: ImageLogStats },
  handle: async ({ query }, ctx) => await countImageLogs(ctx.em, query),
});
