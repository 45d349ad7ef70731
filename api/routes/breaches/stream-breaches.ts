import { z } from 'zod';
import { breachesAfter } from '../../../entities/breach.queries.ts';
import { defineRoute } from '../../define-route.ts';
import { FeedStart, followFeed } from '../follow-feed.ts';
import { LastEventId } from '../log-lines.ts';
import { scopeOf } from '../scope.ts';
import { BreachQuery } from './list-breaches.ts';

export const streamBreachesRoute = defineRoute({
  id: 'streamBreaches',
  method: 'get',
  path: '/breaches/stream',
  summary: 'Follow breaches as server-sent events, each as it is now, named after its state; resumes by Last-Event-ID',
  tags: ['breaches'],
  rights: 'user',
  query: z.strictObject({ ...FeedStart, ...BreachQuery }),
  headers: LastEventId,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ query: { after, ...filter }, headers }, ctx) =>
    followFeed(ctx, {
      name: 'breaches',
      after,
      last_event_id: headers['last-event-id'],
      read: (follow) => breachesAfter(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, follow),
      event: (data) => ({ event: data.state, data }),
    }),
});
