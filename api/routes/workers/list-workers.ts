import { z } from 'zod';
import { listWorkers } from '../../../entities/worker.queries.ts';
import { Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Worker } from '../../../schemas/worker.ts';
import { defineRoute } from '../../define-route.ts';

export const listWorkersRoute = defineRoute({
  id: 'listWorkers',
  method: 'get',
  path: '/workers',
  summary: 'List workers by id',
  tags: ['workers'],
  rights: 'operator',
  query: z.strictObject({ ...PageQuery, pool: Name.optional(), status: z.enum(['active', 'drain', 'offline']).optional() }),
  response: { status: 200, schema: pageOf(Worker) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) =>
    await listWorkers(ctx.em, { ...filter, lost_after_s: ctx.config.LOST_AFTER_S }, { limit, cursor: cursor ?? null }),
});
