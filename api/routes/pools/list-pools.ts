import { z } from 'zod';
import { listPools } from '../../../entities/pool.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Pool } from '../../../schemas/pool.ts';
import { defineRoute } from '../../define-route.ts';

export const listPoolsRoute = defineRoute({
  id: 'listPools',
  method: 'get',
  path: '/pools',
  summary: 'List pools by name',
  tags: ['pools'],
  rights: 'user',
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(Pool) },
  handle: async ({ query }, ctx) => await listPools(ctx.em, { limit: query.limit, cursor: query.cursor ?? null }),
});
