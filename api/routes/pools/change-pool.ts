import { changePool } from '../../../commands/change-pool.ts';
import { Pool, PoolChange } from '../../../schemas/pool.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const changePoolRoute = defineRoute({
  id: 'changePool',
  method: 'patch',
  path: '/pools/{name}',
  summary: 'Change the limits of a pool; running work is left alone',
  tags: ['pools'],
  rights: 'operator',
  params: NamePath,
  body: PoolChange,
  response: { status: 200, schema: Pool },
  handle: async ({ params, body }, ctx) => {
    const pool = await changePool(ctx, params.name, body);
    ctx.notify('dispatch');
    return pool;
  },
});
