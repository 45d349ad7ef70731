import { deleteAlertRule } from '../../../commands/alert-rules.ts';
import { defineRoute } from '../../define-route.ts';
import { AlertRulePath } from '../paths.ts';

export const deleteAlertRuleRoute = defineRoute({
  id: 'deleteAlertRule',
  method: 'delete',
  path: '/alerts/rules/{id}',
  summary: 'Delete an alert rule; its alerts stay in the history',
  tags: ['alerts'],
  rights: 'operator',
  params: AlertRulePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => {
    await deleteAlertRule(ctx, params.id);
    return undefined;
  },
});
