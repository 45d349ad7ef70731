import { LogPage } from '../../../schemas/instance.ts';
import { defineRoute } from '../../define-route.ts';
import { answerLogs, LogQuery } from '../log-lines.ts';
import { InstancePath } from '../paths.ts';
import { visibleInstance } from '../scope.ts';

export const getInstanceLogsRoute = defineRoute({
  id: 'getInstanceLogs',
  method: 'get',
  path: '/instances/{runid}/logs',
  summary: 'Read the logs of an instance as text, or as JSON lines with numbers',
  tags: ['instances'],
  rights: 'user',
  params: InstancePath,
  query: LogQuery,
  response: { status: 200, schema: LogPage, stream: 'text/plain' },
  handle: async ({ params, query }, ctx) => {
    await visibleInstance(ctx, params.runid);
    return await answerLogs(ctx, params.runid, query);
  },
});
