import { rebindSla } from '../../../commands/rebind-sla.ts';
import { SlaRebound } from '../../../schemas/sla.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';

export const rebindSlaRoute = defineRoute({
  id: 'rebindSla',
  method: 'post',
  path: '/slas/{id}/rebind',
  summary: 'Move the open tasks in scope to the current version of an SLA',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  response: { status: 200, schema: SlaRebound },
  handle: async ({ params }, ctx) => await rebindSla(ctx, params.id),
});
