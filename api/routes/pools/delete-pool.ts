import { deletePool } from '../../../commands/delete-pool.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const deletePoolRoute = defineRoute({
  id: 'deletePool',
  method: 'delete',
  path: '/pools/{name}',
  summary: 'Delete a pool that nothing refers to',
  tags: ['pools'],
  rights: 'operator',
  params: NamePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deletePool(ctx, params.name),
});
