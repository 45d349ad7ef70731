import { z } from 'zod';
import { pauseSchedule } from '../../../commands/pause-schedule.ts';
import { text } from '../../../schemas/limits.ts';
import { Schedule } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { shown } from './shown-schedule.ts';

export const pauseScheduleRoute = defineRoute({
  id: 'pauseSchedule',
  method: 'post',
  path: '/schedules/{id}/pause',
  summary: 'Pause a schedule: nothing fires until it is resumed',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  body: z.strictObject({ reason: text(500).min(1).nullable().default(null) }).default({ reason: null }),
  response: { status: 200, schema: Schedule },
  handle: async ({ params, body }, ctx) => {
    const schedule = await pauseSchedule(ctx, { id: params.id, reason: body.reason }, ctx.engines);
    ctx.notify('dispatch');
    return shown(schedule);
  },
});
