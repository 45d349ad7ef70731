import { z } from 'zod';
import { listDependencies } from '../../../entities/task.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Dependency } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const listTaskDependenciesRoute = defineRoute({
  id: 'listTaskDependencies',
  method: 'get',
  path: '/tasks/{uuid}/dependencies',
  summary: 'List the tasks that a task waits for, or waited for',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(Dependency) },
  handle: async ({ params, query }, ctx) => {
    await visibleTask(ctx, params.uuid);
    return await listDependencies(ctx.em, params.uuid, { limit: query.limit, cursor: query.cursor ?? null });
  },
});
