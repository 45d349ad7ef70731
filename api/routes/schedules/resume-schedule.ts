import { z } from 'zod';
import { resumeSchedule } from '../../../commands/pause-schedule.ts';
import { Schedule } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { shown } from './shown-schedule.ts';

export const resumeScheduleRoute = defineRoute({
  id: 'resumeSchedule',
  method: 'post',
  path: '/schedules/{id}/resume',
  summary: 'Let a paused schedule go on; fires of the pause are made up for only on request',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  body: z
    .strictObject({ catch_up: z.boolean().default(false).describe('treat the pause as an outage: the catchup rule decides') })
    .default({ catch_up: false }),
  response: { status: 200, schema: Schedule },
  handle: async ({ params, body }, ctx) => shown(await resumeSchedule(ctx, params.id, body.catch_up)),
});
