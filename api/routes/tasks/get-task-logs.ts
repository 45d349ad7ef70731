import { lastRunid } from '../../../entities/instance.queries.ts';
import { LogPage } from '../../../schemas/instance.ts';
import { defineRoute } from '../../define-route.ts';
import { answerLogs, LogQuery } from '../log-lines.ts';
import { TaskPath } from '../paths.ts';
import { visibleTask } from '../scope.ts';

export const getTaskLogsRoute = defineRoute({
  id: 'getTaskLogs',
  method: 'get',
  path: '/tasks/{uuid}/logs',
  summary: 'Read the logs of a task’s last instance; empty before the first',
  tags: ['tasks'],
  rights: 'user',
  params: TaskPath,
  query: LogQuery,
  response: { status: 200, schema: LogPage, stream: 'text/plain' },
  handle: async ({ params, query }, ctx) => {
    await visibleTask(ctx, params.uuid);
    const runid = await lastRunid(ctx.em, params.uuid);
    if (runid !== null) return await answerLogs(ctx, runid, query);
    return query.format === 'json' ? { items: [], next_after: null } : nothing();
  },
});

async function* nothing(): AsyncGenerator<string> {}
