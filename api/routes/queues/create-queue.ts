import { createQueue } from '../../../commands/create-queue.ts';
import { Queue, QueueCreation } from '../../../schemas/queue.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createQueueRoute = defineRoute({
  id: 'createQueue',
  method: 'post',
  path: '/queues',
  summary: 'Create a queue',
  tags: ['queues'],
  rights: 'operator',
  body: QueueCreation,
  response: { status: 201, schema: Queue },
  handle: async ({ body }, ctx) => {
    const queue = await createQueue(ctx, body);
    return withHeaders(queue, { Location: `/api/v1/queues/${queue.name}` });
  },
});
