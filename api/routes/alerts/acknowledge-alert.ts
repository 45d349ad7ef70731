import { acknowledgeAlert } from '../../../commands/acknowledge-alerts.ts';
import { Alert, AlertAcknowledgement } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';
import { AlertPath } from '../paths.ts';

export const acknowledgeAlertRoute = defineRoute({
  id: 'acknowledgeAlert',
  method: 'post',
  path: '/alerts/history/{uuid}/acknowledge',
  summary: 'Acknowledge an alert; who did so first stays',
  tags: ['alerts'],
  rights: 'user',
  params: AlertPath,
  body: AlertAcknowledgement,
  response: { status: 200, schema: Alert },
  handle: async ({ params, body }, ctx) => await acknowledgeAlert(ctx, params.uuid, body.note),
});
