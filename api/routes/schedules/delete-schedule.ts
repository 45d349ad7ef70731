import { deleteSchedule } from '../../../commands/delete-schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';

export const deleteScheduleRoute = defineRoute({
  id: 'deleteSchedule',
  method: 'delete',
  path: '/schedules/{id}',
  summary: 'Delete a schedule; its tasks go on, its ledger is kept',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteSchedule(ctx, params.id, ctx.engines),
});
