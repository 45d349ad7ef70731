import { z } from 'zod';
import { createBulkAction } from '../../../commands/create-bulk-action.ts';
import { BulkAction, BulkActionCreation, BulkCount } from '../../../schemas/bulk-action.ts';
import { defineRoute, withHeaders, withStatus } from '../../define-route.ts';
import { visibleBulkAction } from '../scope.ts';

export const createBulkActionRoute = defineRoute({
  id: 'createBulkAction',
  method: 'post',
  path: '/bulk-actions',
  summary: 'Do one thing to all tasks that a filter finds now; with dry_run only count them (200)',
  tags: ['bulk actions'],
  rights: 'user',
  body: BulkActionCreation,
  response: { status: 202, schema: z.union([BulkAction, BulkCount]) },
  handle: async ({ body }, ctx) => {
    const { id, total } = await createBulkAction(ctx, body);
    if (id === null) return withStatus(200, { dry_run: true as const, total });
    return withHeaders(await visibleBulkAction(ctx, id), { Location: `/api/v1/bulk-actions/${id}` });
  },
});
