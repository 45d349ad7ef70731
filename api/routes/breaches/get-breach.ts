import { noBreach } from '../../../commands/breach-life.ts';
import { findBreachDetail } from '../../../entities/breach.queries.ts';
import { BreachDetail } from '../../../schemas/breach.ts';
import { defineRoute } from '../../define-route.ts';
import { BreachPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';

export const getBreachRoute = defineRoute({
  id: 'getBreach',
  method: 'get',
  path: '/breaches/{id}',
  summary: 'Get a breach with what was done about it',
  tags: ['breaches'],
  rights: 'user',
  params: BreachPath,
  response: { status: 200, schema: BreachDetail },
  handle: async ({ params }, ctx) => {
    const breach = await findBreachDetail(ctx.em, params.id, scopeOf(ctx.actor));
    if (!breach) throw noBreach(params.id);
    return breach;
  },
});
