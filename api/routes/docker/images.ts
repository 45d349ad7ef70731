import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { findImage, listImages } from '../../../entities/docker.queries.ts';
import { DockerImage } from '../../../schemas/docker.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { ImagePath } from './paths.ts';

export const listImagesRoute = defineRoute({
  id: 'listImages',
  method: 'get',
  path: '/docker/images',
  summary: 'List the images of all Docker Engines that workers have',
  tags: ['docker'],
  rights: 'operator',
  query: z.strictObject({
    ...PageQuery,
    docker_id: z.string().min(1).max(200).optional(),
    tag: z.string().min(1).max(255).optional().describe('name with tag'),
    removed: z.enum(['true', 'false']).default('false').describe('those that are gone'),
  }),
  response: { status: 200, schema: pageOf(DockerImage) },
  handle: async ({ query: { limit, cursor, removed, ...filter } }, ctx) =>
    await listImages(ctx.em, { ...filter, removed: removed === 'true' }, { limit, cursor: cursor ?? null }),
});

export const getImageRoute = defineRoute({
  id: 'getImage',
  method: 'get',
  path: '/docker/images/{image_id}',
  summary: 'Show an image by id or name',
  tags: ['docker'],
  rights: 'operator',
  params: ImagePath,
  response: { status: 200, schema: DockerImage },
  handle: async ({ params }, ctx) => {
    const image = await findImage(ctx.em, params.image_id);
    if (!image) throw new EngineError('not_found', `image "${params.image_id}": none is known`);
    return image;
  },
});
