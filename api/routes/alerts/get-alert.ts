import { visibleAlert } from '../../../commands/acknowledge-alerts.ts';
import { Alert } from '../../../schemas/alert.ts';
import { defineRoute } from '../../define-route.ts';
import { AlertPath } from '../paths.ts';

export const getAlertRoute = defineRoute({
  id: 'getAlert',
  method: 'get',
  path: '/alerts/history/{uuid}',
  summary: 'Get an alert',
  tags: ['alerts'],
  rights: 'user',
  params: AlertPath,
  response: { status: 200, schema: Alert },
  handle: async ({ params }, ctx) => await visibleAlert(ctx, params.uuid),
});
