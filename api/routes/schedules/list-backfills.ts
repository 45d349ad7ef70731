import { z } from 'zod';
import { listBackfills } from '../../../entities/schedule.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Backfill } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { visibleSchedule } from './shown-schedule.ts';

export const listBackfillsRoute = defineRoute({
  id: 'listBackfills',
  method: 'get',
  path: '/schedules/{id}/backfills',
  summary: 'List the backfills of a schedule, newest first',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(Backfill) },
  handle: async ({ params, query: { limit, cursor } }, ctx) => {
    await visibleSchedule(ctx, params.id);
    return await listBackfills(ctx.em, params.id, { limit, cursor: cursor ?? null });
  },
});
