import { createSla } from '../../../commands/create-sla.ts';
import { Sla, SlaCreation } from '../../../schemas/sla.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createSlaRoute = defineRoute({
  id: 'createSla',
  method: 'post',
  path: '/slas',
  summary: 'Create an SLA: conditions, and what is done about a breach, with its owner’s rights',
  tags: ['slas'],
  rights: 'user',
  body: SlaCreation,
  response: { status: 201, schema: Sla },
  handle: async ({ body }, ctx) => {
    const sla = await createSla(ctx, body);
    return withHeaders(sla, { Location: `/api/v1/slas/${sla.id}` });
  },
});
