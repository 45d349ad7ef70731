import { cancelTask } from '../../../commands/cancel-task.ts';
import { CancelWish, Task } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const cancelTaskRoute = defineRoute({
  id: 'cancelTask',
  method: 'post',
  path: '/tasks/{uuid}/cancel',
  summary: 'Cancel a task; a running one is asked to stop',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  body: CancelWish.default({ reason: null, grace_s: null }),
  response: { status: 200, schema: Task },
  handle: async ({ params, body }, ctx) => {
    await cancelTask(ctx, params.uuid, body);
    ctx.notify('cancel');
    ctx.notify('dispatch');
    return await visibleTask(ctx, params.uuid);
  },
});
