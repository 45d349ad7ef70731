import { createBulkAction } from '../../../commands/create-bulk-action.ts';
import { BulkAction, BulkActionCreation, BulkCount } from '../../../schemas/bulk-action.ts';
import { defineRoute, otherwise, withHeaders } from '../../define-route.ts';
import { visibleBulkAction } from '../scope.ts';

export const createBulkActionRoute = defineRoute({
  id: 'createBulkAction',
  method: 'post',
  path: '/bulk-actions',
  summary: 'Do one thing to all tasks that a filter finds now; with dry_run only count them (200)',
  tags: ['bulk actions'],
  rights: 'user',
  body: BulkActionCreation,
  response: { status: 202, schema: BulkAction },
  also: { status: 200, schema: BulkCount },
  handle: async ({ body }, ctx) => {
    const { id, total } = await createBulkAction(ctx, body);
    if (id === null) return otherwise({ dry_run: true as const, total });
    return withHeaders(await visibleBulkAction(ctx, id), { Location: `/api/v1/bulk-actions/${id}` });
  },
});
