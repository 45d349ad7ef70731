import { z } from 'zod';
import { listHistory } from '../../../entities/task.queries.ts';
import { HistoryEntry } from '../../../schemas/history.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const listTaskHistoryRoute = defineRoute({
  id: 'listTaskHistory',
  method: 'get',
  path: '/tasks/{uuid}/history',
  summary: 'List the changes of state of a task and its instances, oldest first',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(HistoryEntry) },
  handle: async ({ params, query }, ctx) => {
    await visibleTask(ctx, params.uuid);
    return await listHistory(ctx.em, params.uuid, { limit: query.limit, cursor: query.cursor ?? null });
  },
});
