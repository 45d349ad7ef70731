import { z } from 'zod';
import { cancelTask } from '../../../commands/cancel-task.ts';
import { text } from '../../../schemas/limits.ts';
import { Task } from '../../../schemas/task.ts';
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
  body: z.strictObject({ reason: text(500).min(1).nullable().default(null) }).default({ reason: null }),
  response: { status: 200, schema: Task },
  handle: async ({ params, body }, ctx) => {
    await cancelTask(ctx, params.uuid, body.reason);
    ctx.notify('cancel');
    ctx.notify('dispatch');
    return await visibleTask(ctx, params.uuid);
  },
});
