import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listDeliveries } from '../../../entities/notice.queries.ts';
import { text } from '../../../schemas/limits.ts';
import { CHANNELS, DELIVERY_STATES, Delivery } from '../../../schemas/notice.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listDeliveriesRoute = defineRoute({
  id: 'listDeliveries',
  method: 'get',
  path: '/deliveries',
  summary: 'List webhooks and mails with their attempts, newest first; `state=dead` is the dead letter box',
  tags: ['notifications'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    state: z.enum(DELIVERY_STATES).optional(),
    channel: z.enum(CHANNELS).optional(),
    source_type: text(50).min(1).optional(),
    source_id: text(100).min(1).optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(Delivery) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await listDeliveries(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
