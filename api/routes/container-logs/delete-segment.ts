import { deleteSegment } from '../../../commands/delete-segments.ts';
import { defineRoute } from '../../define-route.ts';
import { NumberPath } from './paths.ts';

export const deleteSegmentRoute = defineRoute({
  id: 'deleteSegment',
  method: 'delete',
  path: '/container-logs/segments/{id}',
  summary: 'Delete one log segment',
  tags: ['container logs'],
  rights: 'user',
  params: NumberPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteSegment(ctx, params.id),
});
