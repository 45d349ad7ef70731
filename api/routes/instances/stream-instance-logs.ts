import { defineRoute } from '../../define-route.ts';
import { followLogs, LastEventId, LogStreamQuery, resumeAfter } from '../log-lines.ts';
import { InstancePath } from '../paths.ts';
import { visibleInstance } from '../scope.ts';

export const streamInstanceLogsRoute = defineRoute({
  id: 'streamInstanceLogs',
  method: 'get',
  path: '/instances/{runid}/logs/stream',
  summary: 'Follow the logs of an instance as server-sent events; resumes by Last-Event-ID',
  tags: ['instances'],
  rights: 'user',
  params: InstancePath,
  query: LogStreamQuery,
  headers: LastEventId,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ params, query, headers }, ctx) => {
    await visibleInstance(ctx, params.runid);
    const after = resumeAfter(query.after, headers['last-event-id']);
    return followLogs(ctx, { runid: params.runid, after, stream: query.stream ?? null });
  },
});
