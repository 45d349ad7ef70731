import { notFound } from '../../../commands/lock-row.ts';
import { findQueue } from '../../../entities/queue.queries.ts';
import { Queue } from '../../../schemas/queue.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const getQueueRoute = defineRoute({
  id: 'getQueue',
  method: 'get',
  path: '/queues/{name}',
  summary: 'Get a queue with what it holds now',
  tags: ['queues'],
  rights: 'user',
  params: NamePath,
  response: { status: 200, schema: Queue },
  handle: async ({ params }, ctx) => {
    const queue = await findQueue(ctx.em, params.name);
    if (!queue) throw notFound('queues', params.name);
    return queue;
  },
});
