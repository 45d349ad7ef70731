import { cancelBulkAction } from '../../../commands/cancel-bulk-action.ts';
import { BulkAction } from '../../../schemas/bulk-action.ts';
import { defineRoute } from '../../define-route.ts';
import { IdPath } from '../paths.ts';
import { visibleBulkAction } from '../scope.ts';

export const cancelBulkActionRoute = defineRoute({
  id: 'cancelBulkAction',
  method: 'post',
  path: '/bulk-actions/{id}/cancel',
  summary: 'Stop a bulk action; what it did stays done',
  tags: ['bulk actions'],
  rights: 'user',
  params: IdPath,
  response: { status: 200, schema: BulkAction },
  handle: async ({ params }, ctx) => {
    await cancelBulkAction(ctx, params.id);
    return await visibleBulkAction(ctx, params.id);
  },
});
