import { saveSegments } from '../../../commands/save-segments.ts';
import { SegmentBatch, SegmentsStored } from '../../../schemas/log-segment.ts';
import { defineRoute } from '../../define-route.ts';

export const saveSegmentsRoute = defineRoute({
  id: 'saveSegments',
  method: 'post',
  path: '/container-logs/segments/batch',
  summary: 'Keep segments that were analysed elsewhere; a line that is stored already stays as it is',
  tags: ['container logs'],
  rights: 'user',
  body: SegmentBatch,
  large_body: { text_bytes: 3 * 262_144 },
  response: { status: 201, schema: SegmentsStored },
  handle: async ({ body }, ctx) => await saveSegments(ctx, body),
});
