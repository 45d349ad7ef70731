import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listQuotaEntries } from '../../../entities/quota-entry.queries.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { QuotaEntry } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listQuotaLedgerRoute = defineRoute({
  id: 'listQuotaLedger',
  method: 'get',
  path: '/quota-ledger',
  summary: 'What was reserved, committed and refunded of quotas, newest first: one’s own, or everybody’s for operators',
  tags: ['users'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    task_id: z.uuid().toLowerCase().optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(QuotaEntry) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await listQuotaEntries(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
