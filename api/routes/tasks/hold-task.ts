import { holdTask, releaseTask } from '../../../commands/hold-task.ts';
import { Task } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const holdTaskRoute = defineRoute({
  id: 'holdTask',
  method: 'post',
  path: '/tasks/{uuid}/hold',
  summary: 'Hold a task: nothing of it starts until it is released; a running instance goes on',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Task },
  handle: async ({ params }, ctx) => {
    await holdTask(ctx, params.uuid);
    return await visibleTask(ctx, params.uuid);
  },
});

export const releaseTaskRoute = defineRoute({
  id: 'releaseTask',
  method: 'post',
  path: '/tasks/{uuid}/release',
  summary: 'Release a task that is on hold',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Task },
  handle: async ({ params }, ctx) => {
    await releaseTask(ctx, params.uuid);
    ctx.notify('dispatch');
    return await visibleTask(ctx, params.uuid);
  },
});
