import { changeQueue } from '../../../commands/change-queue.ts';
import { Queue, QueueChange } from '../../../schemas/queue.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const changeQueueRoute = defineRoute({
  id: 'changeQueue',
  method: 'patch',
  path: '/queues/{name}',
  summary: 'Change the limits of a queue; running work is left alone',
  tags: ['queues'],
  rights: 'operator',
  params: NamePath,
  body: QueueChange,
  response: { status: 200, schema: Queue },
  handle: async ({ params, body }, ctx) => {
    const queue = await changeQueue(ctx, params.name, body);
    ctx.notify('dispatch');
    return queue;
  },
});
