import { z } from 'zod';
import { cancelBackfill } from '../../../commands/cancel-backfill.ts';
import { Backfill } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { BackfillPath } from '../paths.ts';

export const cancelBackfillRoute = defineRoute({
  id: 'cancelBackfill',
  method: 'post',
  path: '/schedules/{id}/backfills/{backfill}/cancel',
  summary: 'End a backfill before its end',
  tags: ['schedules'],
  rights: 'user',
  params: BackfillPath,
  body: z
    .strictObject({ cancel_tasks: z.boolean().default(true).describe('also those tasks that are not final') })
    .default({ cancel_tasks: true }),
  response: { status: 200, schema: Backfill },
  handle: async ({ params, body }, ctx) => {
    const backfill = await cancelBackfill(ctx, { schedule_id: params.id, id: params.backfill, cancel_tasks: body.cancel_tasks });
    ctx.notify('cancel');
    return backfill;
  },
});
