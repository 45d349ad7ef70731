import { z } from 'zod';
import { listSessions } from '../../../entities/detection-list.queries.ts';
import { DetectionSession } from '../../../schemas/detection.ts';
import { Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listDetectionSessionsRoute = defineRoute({
  id: 'listDetectionSessions',
  method: 'get',
  path: '/detections/sessions',
  summary: 'List runs of detectors with their counts, newest first',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, camera_id: Name.optional() }),
  response: { status: 200, schema: pageOf(DetectionSession) },
  handle: async ({ query: { limit, cursor, camera_id } }, ctx) =>
    await listSessions(ctx.em, { camera_id, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null }),
});
