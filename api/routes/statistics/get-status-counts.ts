import { countByStatus } from '../../../entities/video.queries.ts';
import { StatusCounts } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const getStatusCountsRoute = defineRoute({
  id: 'getStatusCounts',
  method: 'get',
  path: '/statistics/status',
  summary: 'How many video tasks are in each state: of one’s own, or everybody’s for operators',
  tags: ['statistics'],
  rights: 'user',
  response: { status: 200, schema: StatusCounts },
  handle: async (_input, ctx) => await countByStatus(ctx.em, scopeOf(ctx.actor)),
});
