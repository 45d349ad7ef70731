import { Sla } from '../../../schemas/sla.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';
import { visibleSla } from './visible-sla.ts';

export const getSlaRoute = defineRoute({
  id: 'getSla',
  method: 'get',
  path: '/slas/{id}',
  summary: 'Get an SLA with what it is attached to',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  response: { status: 200, schema: Sla },
  handle: async ({ params }, ctx) => await visibleSla(ctx, params.id),
});
