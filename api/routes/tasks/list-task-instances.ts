import { z } from 'zod';
import { listInstances } from '../../../entities/instance.queries.ts';
import { Instance } from '../../../schemas/instance.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { scopeOf, visibleTask } from '../scope.ts';

export const listTaskInstancesRoute = defineRoute({
  id: 'listTaskInstances',
  method: 'get',
  path: '/tasks/{uuid}/instances',
  summary: 'List the instances of a task, oldest first',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(Instance) },
  handle: async ({ params, query }, ctx) => {
    await visibleTask(ctx, params.uuid);
    const filter = { task: params.uuid, oldest_first: true, ...scopeOf(ctx.actor) };
    return await listInstances(ctx.em, filter, { limit: query.limit, cursor: query.cursor ?? null });
  },
});
