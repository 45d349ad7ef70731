import { createAlertRule } from '../../../commands/alert-rules.ts';
import { AlertRule, AlertRuleCreation } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';

export const createAlertRuleRoute = defineRoute({
  id: 'createAlertRule',
  method: 'post',
  path: '/alerts/rules',
  summary: 'Create an alert rule',
  tags: ['alerts'],
  rights: 'operator',
  body: AlertRuleCreation,
  response: { status: 201, schema: AlertRule },
  handle: async ({ body }, ctx) => await createAlertRule(ctx, body),
});
