import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { getUserTasks } from '../../../entities/video.queries.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { VideoTask } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

const STATUSES = ['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'] as const;

export const listVideosRoute = defineRoute({
  id: 'listVideos',
  method: 'get',
  path: '/video/tasks',
  summary: 'List video tasks, newest first: one’s own, or everybody’s for operators',
  tags: ['video'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    status: words(STATUSES).optional().describe('comma-separated'),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(VideoTask) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await getUserTasks(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
