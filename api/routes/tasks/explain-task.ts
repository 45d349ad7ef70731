import type { z } from 'zod';
import { explainTask } from '../../../commands/explain-task.ts';
import { Explanation } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';

export const explainTaskRoute = defineRoute({
  id: 'explainTask',
  method: 'get',
  path: '/tasks/{uuid}/explain',
  summary: 'Say why a task is not running: each closed gate with what there is and what it takes',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Explanation },
  handle: async ({ params }, ctx) => (await explainTask(ctx, params.uuid, ctx.config.LOST_AFTER_S)) as z.input<typeof Explanation>,
});
