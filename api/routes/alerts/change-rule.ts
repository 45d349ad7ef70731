import { changeAlertRule } from '../../../commands/alert-rules.ts';
import { AlertRule, AlertRuleChange } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';
import { AlertRulePath } from '../paths.ts';

export const changeAlertRuleRoute = defineRoute({
  id: 'changeAlertRule',
  method: 'patch',
  path: '/alerts/rules/{id}',
  summary: 'Change an alert rule, or switch it off or on',
  tags: ['alerts'],
  rights: 'operator',
  params: AlertRulePath,
  body: AlertRuleChange,
  response: { status: 200, schema: AlertRule },
  handle: async ({ params, body }, ctx) => await changeAlertRule(ctx, params.id, body),
});
