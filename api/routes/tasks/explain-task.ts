import { explainTask } from '../../../commands/explain-task.ts';
import { Explanation } from '../../../schemas/explanation.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';

export const explainTaskRoute = defineRoute({
  id: 'explainTask',
  method: 'get',
  path: '/tasks/{uuid}/explain',
  summary: 'Why a task is not running: position and every closed gate',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Explanation },
  handle: async ({ params }, ctx) => await explainTask(ctx, params.uuid, ctx.config.LOST_AFTER_S),
});
