import { deleteSla } from '../../../commands/delete-sla.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';

export const deleteSlaRoute = defineRoute({
  id: 'deleteSla',
  method: 'delete',
  path: '/slas/{id}',
  summary: 'Delete an SLA that is attached to nothing and measures nothing',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteSla(ctx, params.id),
});
