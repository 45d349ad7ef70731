import { z } from 'zod';
import { takeDetections } from '../../../commands/take-detections.ts';
import { DetectionsAccepted, SessionName } from '../../../schemas/detection.ts';
import { Name } from '../../../schemas/limits.ts';
import { defineRoute } from '../../define-route.ts';
import { readDetections } from '../../read-detections.ts';

export const postDetectionsRoute = defineRoute({
  id: 'postDetections',
  method: 'post',
  path: '/detections',
  summary:
    'Store frames of detectors: a JSON object, an array, or one object a line; answered when they are stored, and repeating is harmless',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({
    camera_id: Name.optional().describe('of frames that name none'),
    session_id: SessionName.optional().describe('of frames that name none'),
    save_interval: z.coerce
      .number()
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('each so many frames become a record, for sessions that begin with these; default: 1'),
  }),
  raw_body: { types: ['application/json', 'application/x-ndjson'], max_bytes: 16_777_216 },
  response: { status: 201, schema: DetectionsAccepted },
  handle: async ({ raw, query }, ctx) => {
    const frames = await readDetections(ctx.detections, raw);
    const defaults = {
      camera_id: query.camera_id ?? null,
      session_id: query.session_id ?? null,
      save_interval: query.save_interval ?? null,
    };
    return await takeDetections(ctx, ctx.detections, { frames, defaults });
  },
});
