import { acknowledgeAlerts } from '../../../commands/acknowledge-alerts.ts';
import { AlertBulkAcknowledgement, AlertBulkResult } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';

export const acknowledgeAlertsRoute = defineRoute({
  id: 'acknowledgeAlerts',
  method: 'post',
  path: '/alerts/history/acknowledge',
  summary: 'Acknowledge many alerts at once',
  tags: ['alerts'],
  rights: 'user',
  body: AlertBulkAcknowledgement,
  response: { status: 200, schema: AlertBulkResult },
  handle: async ({ body }, ctx) => await acknowledgeAlerts(ctx, body),
});
