import { createSchedule } from '../../../commands/create-schedule.ts';
import { Schedule, ScheduleCreation } from '../../../schemas/schedule.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';
import { shown } from './shown-schedule.ts';

export const createScheduleRoute = defineRoute({
  id: 'createSchedule',
  method: 'post',
  path: '/schedules',
  summary: 'Create a schedule: a cron rule that submits tasks with its owner’s rights',
  tags: ['schedules'],
  rights: 'user',
  body: ScheduleCreation,
  response: { status: 201, schema: Schedule },
  handle: async ({ body }, ctx) => {
    const schedule = await createSchedule(ctx, body, ctx.engines);
    return withHeaders(shown(schedule), { Location: `/api/v1/schedules/${schedule.id}` });
  },
});
