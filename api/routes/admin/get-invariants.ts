import { checkInvariants } from '../../../commands/invariants.ts';
import { Invariants } from '../../../schemas/explanation.ts';
import { defineRoute } from '../../define-route.ts';

export const getInvariantsRoute = defineRoute({
  id: 'getInvariants',
  method: 'get',
  path: '/admin/invariants',
  summary: 'Evaluate every promise of the engine in one snapshot',
  tags: ['admin'],
  rights: 'admin',
  response: { status: 200, schema: Invariants },
  handle: async (_input, ctx) => {
    const invariants = await checkInvariants(ctx.em);
    return { ok: invariants.every((i) => i.violations.length === 0), checked_at: new Date().toISOString(), invariants };
  },
});
