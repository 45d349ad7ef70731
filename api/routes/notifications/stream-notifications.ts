import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { notificationsAfter } from '../../../entities/notice.queries.ts';
import { defineRoute } from '../../define-route.ts';
import { FeedStart, followFeed } from '../follow-feed.ts';
import { LastEventId } from '../log-lines.ts';
import { scopeOf } from '../scope.ts';
import { NotificationQuery } from './list-notifications.ts';

export const streamNotificationsRoute = defineRoute({
  id: 'streamNotifications',
  method: 'get',
  path: '/notifications/stream',
  summary: 'Follow notifications as server-sent events; resumes by Last-Event-ID',
  tags: ['notifications'],
  rights: 'user',
  query: z.strictObject({ ...FeedStart, ...NotificationQuery }),
  headers: LastEventId,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ query: { after, ...filter }, headers }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return followFeed(ctx, {
      name: 'notifications',
      after,
      last_event_id: headers['last-event-id'],
      read: (follow) => notificationsAfter(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, follow),
      event: (data) => ({ event: null, data }),
    });
  },
});
