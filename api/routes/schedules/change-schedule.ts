import { changeSchedule } from '../../../commands/change-schedule.ts';
import { Schedule, ScheduleChange } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { shown } from './shown-schedule.ts';

export const changeScheduleRoute = defineRoute({
  id: 'changeSchedule',
  method: 'patch',
  path: '/schedules/{id}',
  summary: 'Change a schedule; a new rule counts from now on',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  body: ScheduleChange,
  response: { status: 200, schema: Schedule },
  handle: async ({ params, body }, ctx) => {
    const schedule = await changeSchedule(ctx, { id: params.id, change: body }, ctx.engines);
    ctx.notify('dispatch');
    return shown(schedule);
  },
});
