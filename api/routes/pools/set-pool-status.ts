import { changePool } from '../../../commands/change-pool.ts';
import { Pool } from '../../../schemas/pool.ts';
import { defineRoute, type Route } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

const ORDERS = {
  hold: { status: 'hold', summary: 'Hold a pool: nothing new starts, tasks may still be submitted' },
  resume: { status: 'active', summary: 'Let a pool go on' },
  drain: { status: 'drain', summary: 'Drain a pool: no new task is taken, those that wait still start' },
} as const;

const orderRoute = (order: keyof typeof ORDERS): Route =>
  defineRoute({
    id: `${order}Pool`,
    method: 'post',
    path: `/pools/{name}/${order}`,
    summary: ORDERS[order].summary,
    tags: ['pools'],
    rights: 'operator',
    params: NamePath,
    response: { status: 200, schema: Pool },
    handle: async ({ params }, ctx) => {
      const pool = await changePool(ctx, params.name, { status: ORDERS[order].status });
      ctx.notify('dispatch');
      return pool;
    },
  });

export const holdPoolRoute = orderRoute('hold');
export const resumePoolRoute = orderRoute('resume');
export const drainPoolRoute = orderRoute('drain');
