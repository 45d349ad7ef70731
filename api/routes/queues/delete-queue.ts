import { deleteQueue } from '../../../commands/delete-queue.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const deleteQueueRoute = defineRoute({
  id: 'deleteQueue',
  method: 'delete',
  path: '/queues/{name}',
  summary: 'Delete a queue that nothing refers to',
  tags: ['queues'],
  rights: 'operator',
  params: NamePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteQueue(ctx, params.name),
});
