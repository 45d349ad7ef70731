import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listNotifications } from '../../../entities/notice.queries.ts';
import { text } from '../../../schemas/limits.ts';
import { Notification, Severity } from '../../../schemas/notice.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** What lists and streams of notifications can be narrowed by. */
export const NotificationQuery = {
  unread: z
    .enum(['true', 'false'])
    .transform((word) => word === 'true')
    .optional(),
  severity: Severity.optional(),
  source_type: text(50).min(1).optional().describe('what it is about, such as breach'),
  source_id: text(100).min(1).optional(),
  user: text(50).min(1).optional().describe('user name; for operators'),
};

export const listNotificationsRoute = defineRoute({
  id: 'listNotifications',
  method: 'get',
  path: '/notifications',
  summary: 'List notifications, newest first: one’s own, or everybody’s for operators',
  tags: ['notifications'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, ...NotificationQuery }),
  response: { status: 200, schema: pageOf(Notification) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await listNotifications(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
