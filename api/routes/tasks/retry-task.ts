import { retryTask } from '../../../commands/retry-task.ts';
import { Task } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const retryTaskRoute = defineRoute({
  id: 'retryTask',
  method: 'post',
  path: '/tasks/{uuid}/retry',
  summary: 'Queue a failed or cancelled task again',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Task },
  handle: async ({ params }, ctx) => {
    await retryTask(ctx, params.uuid);
    ctx.notify('dispatch');
    return await visibleTask(ctx, params.uuid);
  },
});
