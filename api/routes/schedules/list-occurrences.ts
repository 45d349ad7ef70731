import { z } from 'zod';
import { listOccurrences } from '../../../entities/schedule.queries.ts';
import { Instant } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { Occurrence, OUTCOMES } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { visibleSchedule } from './shown-schedule.ts';

export const listOccurrencesRoute = defineRoute({
  id: 'listOccurrences',
  method: 'get',
  path: '/schedules/{id}/occurrences',
  summary: 'The ledger of a schedule: what became of each nominal fire, newest first',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  query: z.strictObject({
    ...PageQuery,
    outcome: words(OUTCOMES).optional().describe('comma-separated'),
    from: Instant.optional(),
    until: Instant.optional(),
    backfill: z.uuid().toLowerCase().optional(),
  }),
  response: { status: 200, schema: pageOf(Occurrence) },
  handle: async ({ params, query: { limit, cursor, ...filter } }, ctx) => {
    await visibleSchedule(ctx, params.id);
    return await listOccurrences(ctx.em, { ...filter, schedule_id: params.id }, { limit, cursor: cursor ?? null });
  },
});
