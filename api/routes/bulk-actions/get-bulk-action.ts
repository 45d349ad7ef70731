import { BulkAction } from '../../../schemas/bulk-action.ts';
import { defineRoute } from '../../define-route.ts';
import { BulkActionPath } from '../paths.ts';
import { visibleBulkAction } from '../scope.ts';

export const getBulkActionRoute = defineRoute({
  id: 'getBulkAction',
  method: 'get',
  path: '/bulk-actions/{uuid}',
  summary: 'Get a bulk action and its progress',
  tags: ['bulk actions'],
  rights: 'user',
  params: BulkActionPath,
  response: { status: 200, schema: BulkAction },
  handle: async ({ params }, ctx) => await visibleBulkAction(ctx, params.uuid),
});
