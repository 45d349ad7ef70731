import { notFound } from '../../../commands/lock-row.ts';
import { findWorker } from '../../../entities/worker.queries.ts';
import { Worker } from '../../../schemas/worker.ts';
import { defineRoute } from '../../define-route.ts';
import { WorkerPath } from '../paths.ts';

export const getWorkerRoute = defineRoute({
  id: 'getWorker',
  method: 'get',
  path: '/workers/{id}',
  summary: 'Get a worker',
  tags: ['workers'],
  rights: 'operator',
  params: WorkerPath,
  response: { status: 200, schema: Worker },
  handle: async ({ params }, ctx) => {
    const worker = await findWorker(ctx.em, params.id, ctx.config.LOST_AFTER_S);
    if (!worker) throw notFound('workers', params.id);
    return worker;
  },
});
