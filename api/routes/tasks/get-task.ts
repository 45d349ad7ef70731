import { Task } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const getTaskRoute = defineRoute({
  id: 'getTask',
  method: 'get',
  path: '/tasks/{uuid}',
  summary: 'Get a task',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: Task },
  handle: async ({ params }, ctx) => await visibleTask(ctx, params.uuid),
});
