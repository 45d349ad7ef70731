import { cancelBulkAction } from '../../../commands/cancel-bulk-action.ts';
import { BulkAction } from '../../../schemas/bulk-action.ts';
import { defineRoute } from '../../define-route.ts';
import { BulkActionPath } from '../paths.ts';
import { visibleBulkAction } from '../scope.ts';

export const cancelBulkActionRoute = defineRoute({
  id: 'cancelBulkAction',
  method: 'post',
  path: '/bulk-actions/{uuid}/cancel',
  summary: 'Stop a bulk action; what it did stays done',
  tags: ['bulk actions'],
  rights: 'user',
  params: BulkActionPath,
  response: { status: 200, schema: BulkAction },
  handle: async ({ params }, ctx) => {
    await cancelBulkAction(ctx, params.uuid);
    return await visibleBulkAction(ctx, params.uuid);
  },
});
