import { changeTask } from '../../../commands/change-task.ts';
import { Task, TaskChange } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const changeTaskRoute = defineRoute({
  id: 'changeTask',
  method: 'patch',
  path: '/tasks/{uuid}',
  summary: 'Change a task: tags and priority until it is final, everything else while it waits',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  body: TaskChange,
  response: { status: 200, schema: Task },
  handle: async ({ params, body }, ctx) => {
    await changeTask(ctx, params.uuid, body);
    ctx.notify('dispatch');
    return await visibleTask(ctx, params.uuid);
  },
});
