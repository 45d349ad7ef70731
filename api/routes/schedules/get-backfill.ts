import { noBackfill } from '../../../commands/cancel-backfill.ts';
import { findBackfill } from '../../../entities/schedule.queries.ts';
import { Backfill } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { BackfillPath } from '../paths.ts';
import { visibleSchedule } from './shown-schedule.ts';

export const getBackfillRoute = defineRoute({
  id: 'getBackfill',
  method: 'get',
  path: '/schedules/{id}/backfills/{backfill}',
  summary: 'Get a backfill with its progress',
  tags: ['schedules'],
  rights: 'user',
  params: BackfillPath,
  response: { status: 200, schema: Backfill },
  handle: async ({ params }, ctx) => {
    await visibleSchedule(ctx, params.id);
    const backfill = await findBackfill(ctx.em, params.id, params.backfill);
    if (!backfill) throw noBackfill(params.backfill);
    return backfill;
  },
});
