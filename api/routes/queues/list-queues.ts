import { z } from 'zod';
import { listQueues } from '../../../entities/queue.queries.ts';
import { Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { DoorStatus } from '../../../schemas/pool.ts';
import { Queue } from '../../../schemas/queue.ts';
import { defineRoute } from '../../define-route.ts';

export const listQueuesRoute = defineRoute({
  id: 'listQueues',
  method: 'get',
  path: '/queues',
  summary: 'List queues by name',
  tags: ['queues'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, pool: Name.optional(), status: DoorStatus.optional() }),
  response: { status: 200, schema: pageOf(Queue) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listQueues(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
