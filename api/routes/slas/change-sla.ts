import { changeSla } from '../../../commands/change-sla.ts';
import { Sla, SlaChange } from '../../../schemas/sla.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';

export const changeSlaRoute = defineRoute({
  id: 'changeSla',
  method: 'patch',
  path: '/slas/{id}',
  summary: 'Change an SLA; a new version counts for tasks that become eligible from now on',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  body: SlaChange,
  response: { status: 200, schema: Sla },
  handle: async ({ params, body }, ctx) => await changeSla(ctx, { id: params.id, change: body }),
});
