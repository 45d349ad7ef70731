import { readNotification } from '../../../commands/read-notification.ts';
import { Notification } from '../../../schemas/notice.ts';
import { defineRoute } from '../../define-route.ts';
import { NotificationPath } from '../paths.ts';

export const readNotificationRoute = defineRoute({
  id: 'readNotification',
  method: 'post',
  path: '/notifications/{id}/read',
  summary: 'Note that a notification was read',
  tags: ['notifications'],
  rights: 'user',
  params: NotificationPath,
  response: { status: 200, schema: Notification },
  handle: async ({ params }, ctx) => await readNotification(ctx, params.id),
});
