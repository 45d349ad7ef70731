import { z } from 'zod';
import { getStatistics } from '../../../entities/statistic.queries.ts';
import { DayStatistics } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';
import { DayRange, daysOf } from './day-range.ts';

export const getStatisticsRoute = defineRoute({
  id: 'getStatistics',
  method: 'get',
  path: '/statistics',
  summary: 'Video tasks by the UTC day of their submission, one row a day, zeros included: one’s own, or everybody’s for operators',
  tags: ['statistics'],
  rights: 'user',
  query: DayRange,
  response: { status: 200, schema: z.object({ items: z.array(DayStatistics) }) },
  handle: async ({ query }, ctx) => ({ items: await getStatistics(ctx.em, { ...daysOf(query), ...scopeOf(ctx.actor) }) }),
});
