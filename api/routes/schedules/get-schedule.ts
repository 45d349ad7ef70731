import { Schedule } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { shown, visibleSchedule } from './shown-schedule.ts';

export const getScheduleRoute = defineRoute({
  id: 'getSchedule',
  method: 'get',
  path: '/schedules/{id}',
  summary: 'Get a schedule with its next fire',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  response: { status: 200, schema: Schedule },
  handle: async ({ params }, ctx) => shown(await visibleSchedule(ctx, params.id)),
});
