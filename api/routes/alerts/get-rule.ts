import { alertRule } from '../../../commands/alert-rules.ts';
import { AlertRule } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';
import { AlertRulePath } from '../paths.ts';

export const getAlertRuleRoute = defineRoute({
  id: 'getAlertRule',
  method: 'get',
  path: '/alerts/rules/{id}',
  summary: 'Get an alert rule',
  tags: ['alerts'],
  rights: 'operator',
  params: AlertRulePath,
  response: { status: 200, schema: AlertRule },
  handle: async ({ params }, ctx) => await alertRule(ctx.em, params.id),
});
