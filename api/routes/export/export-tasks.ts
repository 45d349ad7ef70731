import { z } from 'zod';
import { listTasks } from '../../../entities/task.queries.ts';
import { getTaskDetails } from '../../../entities/video.queries.ts';
import { Instant, Name } from '../../../schemas/limits.ts';
import { Task } from '../../../schemas/task.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

const PAGE = 200;

const ExportQuery = z.strictObject({
  type: Name.optional().describe('engine'),
  created_after: Instant.optional(),
  created_before: Instant.optional(),
});

/** Tasks a page at a time, oldest first; those of videos with what belongs to them, in one statement for each page. */
async function* exported(ctx: RouteContext, filter: z.output<typeof ExportQuery>): AsyncGenerator<string> {
  yield '[';
  let cursor: string | null = null;
  let separator = '\n';
  do {
    const page = await listTasks(ctx.em, { ...filter, ...scopeOf(ctx.actor), sort: 'created_at' }, { limit: PAGE, cursor });
    const videos = page.items.filter(({ type }) => type === 'video').map(({ uuid }) => uuid);
    const details = new Map((videos.length === 0 ? [] : await getTaskDetails(ctx.em, videos)).map((video) => [video.task_id, video]));
    for (const item of page.items) {
      yield separator + JSON.stringify({ ...Task.parse(item), video: details.get(item.uuid) ?? null });
      separator = ',\n';
    }
    cursor = page.next_cursor;
  } while (cursor !== null && !ctx.signal.aborted);
  yield '\n]\n';
}

export const exportTasksRoute = defineRoute({
  id: 'exportTasks',
  method: 'get',
  path: '/export/tasks',
  summary: 'All tasks as one JSON array, those of videos with scripts and scenes: one’s own, or everybody’s for operators',
  tags: ['export'],
  rights: 'user',
  query: ExportQuery,
  response: { status: 200, schema: null, download: ['application/json'] },
  handle: async ({ query }, ctx) => ({
    download: true as const,
    content_type: 'application/json; charset=utf-8',
    filename: 'tasks.json',
    size: null,
    open: () => exported(ctx, query),
  }),
});
