import { z } from 'zod';
import { listBulkActions } from '../../../entities/bulk-action.queries.ts';
import { BulkAction } from '../../../schemas/bulk-action.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listBulkActionsRoute = defineRoute({
  id: 'listBulkActions',
  method: 'get',
  path: '/bulk-actions',
  summary: 'List bulk actions, newest first: one’s own, or everybody’s for operators',
  tags: ['bulk actions'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, status: BulkAction.shape.status.optional() }),
  response: { status: 200, schema: pageOf(BulkAction) },
  handle: async ({ query }, ctx) => {
    const { limit, cursor, ...filter } = query;
    return await listBulkActions(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
