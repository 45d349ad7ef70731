import { notFound } from '../../../commands/lock-row.ts';
import { findPool } from '../../../entities/pool.queries.ts';
import { Pool } from '../../../schemas/pool.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const getPoolRoute = defineRoute({
  id: 'getPool',
  method: 'get',
  path: '/pools/{name}',
  summary: 'Get a pool with what it holds now',
  tags: ['pools'],
  rights: 'user',
  params: NamePath,
  response: { status: 200, schema: Pool },
  handle: async ({ params }, ctx) => {
    const pool = await findPool(ctx.em, params.name);
    if (!pool) throw notFound('pools', params.name);
    return pool;
  },
});
