import { checkSla } from '../../../commands/check-sla.ts';
import { testSla } from '../../../commands/test-sla.ts';
import { SlaTest, SlaTestResult } from '../../../schemas/sla-report.ts';
import { defineRoute } from '../../define-route.ts';
import { SlaPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';
import { visibleSla } from './visible-sla.ts';

export const testSlaRoute = defineRoute({
  id: 'testSla',
  method: 'post',
  path: '/slas/{id}/test',
  summary: 'Dry run: where an SLA would have told of a breach, for a task or a time range; nothing is changed',
  tags: ['slas'],
  rights: 'user',
  params: SlaPath,
  body: SlaTest,
  response: { status: 200, schema: SlaTestResult },
  handle: async ({ params, body }, ctx) => {
    const sla = await visibleSla(ctx, params.id);
    if (body.conditions) await checkSla(ctx, { conditions: body.conditions, actions: [] });
    return await testSla(ctx.em, { sla, wish: body, ...scopeOf(ctx.actor) });
  },
});
