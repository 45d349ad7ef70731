import { z } from 'zod';
import { listRetentionRuns } from '../../../entities/retention-run.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { RetentionRun } from '../../../schemas/retention.ts';
import { defineRoute } from '../../define-route.ts';

export const listRetentionRunsRoute = defineRoute({
  id: 'listRetentionRuns',
  method: 'get',
  path: '/admin/retention',
  summary: 'List the runs of the retention, newest first',
  tags: ['admin'],
  rights: 'admin',
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(RetentionRun) },
  handle: async ({ query: { limit, cursor } }, ctx) => await listRetentionRuns(ctx.em, { limit, cursor: cursor ?? null }),
});
