import { changeQueue } from '../../../commands/change-queue.ts';
import { Queue } from '../../../schemas/queue.ts';
import { defineRoute, type Route } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

const ORDERS = {
  hold: { status: 'hold', summary: 'Hold a queue: nothing new starts, tasks may still be submitted' },
  resume: { status: 'active', summary: 'Let a queue go on' },
  drain: { status: 'drain', summary: 'Drain a queue: no new task is taken, those that wait still start' },
} as const;

const orderRoute = (order: keyof typeof ORDERS): Route =>
  defineRoute({
    id: `${order}Queue`,
    method: 'post',
    path: `/queues/{name}/${order}`,
    summary: ORDERS[order].summary,
    tags: ['queues'],
    rights: 'operator',
    params: NamePath,
    response: { status: 200, schema: Queue },
    handle: async ({ params }, ctx) => {
      const queue = await changeQueue(ctx, params.name, { status: ORDERS[order].status });
      ctx.notify('dispatch');
      return queue;
    },
  });

export const holdQueueRoute = orderRoute('hold');
export const resumeQueueRoute = orderRoute('resume');
export const drainQueueRoute = orderRoute('drain');
