import { z } from 'zod';
import { listCameras } from '../../../entities/camera.queries.ts';
import { Camera } from '../../../schemas/camera.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listCamerasRoute = defineRoute({
  id: 'listCameras',
  method: 'get',
  path: '/cameras',
  summary: 'List cameras by id: one’s own, or everybody’s for operators',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, q: text(200).min(1).optional().describe('part of the name') }),
  response: { status: 200, schema: pageOf(Camera) },
  handle: async ({ query: { limit, cursor, q } }, ctx) =>
    await listCameras(ctx.em, { q, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null }),
});
