import { createPool } from '../../../commands/create-pool.ts';
import { Pool, PoolCreation } from '../../../schemas/pool.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createPoolRoute = defineRoute({
  id: 'createPool',
  method: 'post',
  path: '/pools',
  summary: 'Create a pool',
  tags: ['pools'],
  rights: 'operator',
  body: PoolCreation,
  response: { status: 201, schema: Pool },
  handle: async ({ body }, ctx) => {
    const pool = await createPool(ctx, body);
    return withHeaders(pool, { Location: `/api/v1/pools/${pool.name}` });
  },
});
