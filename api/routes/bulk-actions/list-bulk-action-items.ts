import { z } from 'zod';
import { listBulkItems } from '../../../entities/bulk-action.queries.ts';
import { BulkActionItem } from '../../../schemas/bulk-action.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { BulkActionPath } from '../paths.ts';
import { visibleBulkAction } from '../scope.ts';

export const listBulkActionItemsRoute = defineRoute({
  id: 'listBulkActionItems',
  method: 'get',
  path: '/bulk-actions/{uuid}/items',
  summary: 'List what a bulk action did to each task',
  tags: ['bulk actions'],
  rights: 'user',
  params: BulkActionPath,
  query: z.strictObject({ ...PageQuery, status: BulkActionItem.shape.status.optional() }),
  response: { status: 200, schema: pageOf(BulkActionItem) },
  handle: async ({ params, query }, ctx) => {
    const { limit, cursor, ...filter } = query;
    await visibleBulkAction(ctx, params.uuid);
    return await listBulkItems(ctx.em, { ...filter, id: params.uuid }, { limit, cursor: cursor ?? null });
  },
});
