import { z } from 'zod';
import { recomputeStatistics } from '../../../commands/refresh-statistics.ts';
import { getStatistics } from '../../../entities/statistic.queries.ts';
import { DayStatistics } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { DayRange, daysOf } from './day-range.ts';

export const recomputeStatisticsRoute = defineRoute({
  id: 'recomputeStatistics',
  method: 'post',
  path: '/statistics/recompute',
  summary: 'Count the days of a range anew and store them; days whose tasks were removed by age stay as they are',
  tags: ['statistics'],
  rights: 'operator',
  query: DayRange,
  response: { status: 200, schema: z.object({ stored: z.int(), items: z.array(DayStatistics) }) },
  handle: async ({ query }, ctx) => {
    const range = daysOf(query);
    const stored = await recomputeStatistics(ctx, range);
    return { stored, items: await getStatistics(ctx.em, { ...range, user_id: null }) };
  },
});
