import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { type ImageOperationRequest, submitImageOperation } from '../../../commands/image-operation.ts';
import { ImageRequests, ImportQuery } from '../../../schemas/docker.ts';
import { Task } from '../../../schemas/task.ts';
import { defineRoute, type Route, type RouteContext, withHeaders } from '../../define-route.ts';

const IMPORT_BYTES = 4 * 1024 * 1024 * 1024;

type Body = z.output<(typeof ImageRequests)[keyof typeof ImageRequests]>;

async function submit(ctx: RouteContext, request: ImageOperationRequest) {
  const task = await submitImageOperation(ctx, request, ctx.engines);
  ctx.notify('dispatch');
  return withHeaders(task, { Location: `/api/v1/tasks/${task.uuid}` });
}

const SUMMARIES: Record<keyof typeof ImageRequests, string> = {
  pull: 'Pull an image from its registry',
  push: 'Push an image to its registry',
  tag: 'Give an image another name',
  remove: 'Remove an image, or one of its names',
  build: 'Build an image from a Dockerfile and files beside it',
  prune: 'Remove images that nobody uses',
};

const operation = <K extends keyof typeof ImageRequests>(kind: K): Route =>
  defineRoute({
    id: `${kind}Image${kind === 'prune' ? 's' : ''}`,
    method: 'post',
    path: `/docker/images/${kind}`,
    summary: `${SUMMARIES[kind]}: a task of the engine \`image\` on the Docker Engine of one worker`,
    tags: ['docker'],
    rights: 'operator',
    body: ImageRequests[kind],
    ...(kind === 'build' ? { large_body: { text_bytes: 3 * 200_000 } } : {}),
    response: { status: 202, schema: Task },
    handle: async ({ body }, ctx) => {
      const { worker, docker_id, queue, priority, timeout, ...parameters } = body as Body;
      return await submit(ctx, { operation: kind, worker, docker_id, queue, priority, timeout, parameters });
    },
  });

export const pullImageRoute = operation('pull');
export const pushImageRoute = operation('push');
export const tagImageRoute = operation('tag');
export const removeImageRoute = operation('remove');
export const buildImageRoute = operation('build');
export const pruneImagesRoute = operation('prune');

export const importImageRoute = defineRoute({
  id: 'importImage',
  method: 'post',
  path: '/docker/images/import',
  summary: 'Make an image of a file system: the body is its tar, compressed or not',
  tags: ['docker'],
  rights: 'operator',
  raw_body: { types: ['application/x-tar', 'application/octet-stream'], max_bytes: IMPORT_BYTES },
  query: ImportQuery,
  response: { status: 202, schema: Task },
  handle: async ({ raw, query: { target, ...place } }, ctx) => {
    const { key } = await ctx.artifacts.put(`images/${randomUUID()}.tar`, raw.stream);
    try {
      return await submit(ctx, { operation: 'import', ...place, parameters: { target, artifact: key } });
    } catch (cause) {
      await ctx.artifacts.remove(key).catch(() => undefined);
      throw cause;
    }
  },
});
