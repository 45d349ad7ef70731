import { z } from 'zod';
import { listSlaVersions } from '../../../entities/sla.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { SlaVersion } from '../../../schemas/sla.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';
import { visibleSla } from './visible-sla.ts';

export const listSlaVersionsRoute = defineRoute({
  id: 'listSlaVersions',
  method: 'get',
  path: '/slas/{id}/versions',
  summary: 'What an SLA said at each time, newest first',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(SlaVersion) },
  handle: async ({ params, query: { limit, cursor } }, ctx) => {
    await visibleSla(ctx, params.id);
    return await listSlaVersions(ctx.em, params.id, { limit, cursor: cursor ?? null });
  },
});
