import { z } from 'zod';
import { seesAll } from '../../../commands/context.ts';
import { EngineError } from '../../../core/errors.ts';
import { listSchedules } from '../../../entities/schedule.queries.ts';
import { Name, text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { SCHEDULE_STATUSES, Schedule } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';
import { shown } from './shown-schedule.ts';

export const listSchedulesRoute = defineRoute({
  id: 'listSchedules',
  method: 'get',
  path: '/schedules',
  summary: 'List schedules, newest first: one’s own, or everybody’s for operators',
  tags: ['schedules'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    status: z.enum(SCHEDULE_STATUSES).optional(),
    template: Name.optional(),
    queue: Name.optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(Schedule) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    if (filter.user !== undefined && !seesAll(ctx.actor) && filter.user !== ctx.actor.username) {
      throw new EngineError('forbidden', 'user: other users’ schedules are for operators');
    }
    const page = await listSchedules(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
    return { ...page, items: page.items.map(shown) };
  },
});
