import { z } from 'zod';
import { complianceOf } from '../../../commands/sla-compliance.ts';
import { Instant } from '../../../schemas/limits.ts';
import { Compliance } from '../../../schemas/sla-report.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';
import { visibleSla } from './visible-sla.ts';

export const getComplianceRoute = defineRoute({
  id: 'getSlaCompliance',
  method: 'get',
  path: '/slas/{id}/compliance',
  summary: 'How an SLA was kept in a period: met, breached, at risk, void, percentiles, error budget',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  query: z.strictObject({
    from: Instant.optional().describe('default: 30 days before until'),
    until: Instant.optional().describe('default: now'),
    objective: z.coerce.number().min(0).max(1).default(0.99).describe('share that is to be met'),
  }),
  response: { status: 200, schema: Compliance },
  handle: async ({ params, query }, ctx) => {
    const sla = await visibleSla(ctx, params.id);
    return await complianceOf(ctx.em, { sla, ...query });
  },
});
