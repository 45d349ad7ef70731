import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listRuns } from '../../../entities/task-flames.queries.ts';
import { FLAMES_STATUSES } from '../../../entities/task-flames.ts';
import { FlamesRun, LogPlace } from '../../../schemas/flames.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listFlamesRunsRoute = defineRoute({
  id: 'listFlamesRuns',
  method: 'get',
  path: '/flames/runs',
  summary: 'List evaluations, last submitted first: one’s own, or everybody’s for operators',
  tags: ['flames'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    status: words(FLAMES_STATUSES).optional(),
    logs: LogPlace.optional().describe('where the rows are'),
    model: text(200).min(1).optional(),
    dataset_id: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(FlamesRun) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await listRuns(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
