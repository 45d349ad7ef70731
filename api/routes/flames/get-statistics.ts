import { z } from 'zod';
import { readStatistics } from '../../../entities/task-flames.queries.ts';
import { FlamesStatistics } from '../../../schemas/flames.ts';
import { defineRoute } from '../../define-route.ts';

export const getFlamesStatisticsRoute = defineRoute({
  id: 'getFlamesStatistics',
  method: 'get',
  path: '/flames/statistics',
  summary: 'Size of the table of log rows, runs by state, and the runs with the most rows',
  tags: ['flames'],
  rights: 'operator',
  query: z.strictObject({ largest: z.coerce.number().int().min(1).max(200).default(20).describe('runs with the most rows') }),
  response: { status: 200, schema: FlamesStatistics },
  handle: async ({ query }, ctx) => await readStatistics(ctx.em, query.largest),
});
