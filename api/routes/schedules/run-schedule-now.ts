import { runScheduleNow } from '../../../commands/run-schedule-now.ts';
import { SubmittedTask } from '../../../schemas/task.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';

export const runScheduleNowRoute = defineRoute({
  id: 'runScheduleNow',
  method: 'post',
  path: '/schedules/{id}/run-now',
  summary: 'Submit what a schedule would submit, now, as one’s own task',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  response: { status: 201, schema: SubmittedTask },
  handle: async ({ params }, ctx) => {
    const { task, warnings } = await runScheduleNow(ctx, params.id, ctx.engines);
    ctx.notify('dispatch');
    const answer = warnings.length > 0 ? { ...task, warnings } : task;
    return withHeaders(answer, { Location: `/api/v1/tasks/${task.uuid}` });
  },
});
