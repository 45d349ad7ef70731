import { setWorkerStatus } from '../../../commands/set-worker-status.ts';
import { Worker } from '../../../schemas/worker.ts';
import { defineRoute, type Route } from '../../define-route.ts';
import { WorkerPath } from '../paths.ts';

const ORDERS = {
  drain: { status: 'drain', summary: 'Drain a worker: it finishes what it has and is given nothing new' },
  resume: { status: 'active', summary: 'Give a drained worker work again' },
} as const;

const orderRoute = (order: keyof typeof ORDERS): Route =>
  defineRoute({
    id: `${order}Worker`,
    method: 'post',
    path: `/workers/{id}/${order}`,
    summary: ORDERS[order].summary,
    tags: ['workers'],
    rights: 'operator',
    params: WorkerPath,
    response: { status: 200, schema: Worker },
    handle: async ({ params }, ctx) => {
      const { status } = ORDERS[order];
      const worker = await setWorkerStatus(ctx, { id: params.id, status, lost_after_s: ctx.config.LOST_AFTER_S });
      ctx.notify('dispatch');
      return worker;
    },
  });

export const drainWorkerRoute = orderRoute('drain');
export const resumeWorkerRoute = orderRoute('resume');
