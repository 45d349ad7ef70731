import { createBackfill } from '../../../commands/create-backfill.ts';
import { BackfillAnswer, BackfillCreation } from '../../../schemas/schedule.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';

export const createBackfillRoute = defineRoute({
  id: 'createBackfill',
  method: 'post',
  path: '/schedules/{id}/backfills',
  summary: 'Run the fires of a past range that did not run, a few at a time; or only count them',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  body: BackfillCreation,
  response: { status: 201, schema: BackfillAnswer },
  handle: async ({ params, body }, ctx) => {
    const answer = await createBackfill(ctx, params.id, body);
    const location: Record<string, string> = answer.backfill
      ? { Location: `/api/v1/schedules/${params.id}/backfills/${answer.backfill.id}` }
      : {};
    return withHeaders(answer, location);
  },
});
