import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listTasks, TASK_SORTS } from '../../../entities/task.queries.ts';
import { Instant, Name, text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, repeatable, words } from '../../../schemas/page.ts';
import { Task } from '../../../schemas/task.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

const STATUSES = ['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'] as const;

const Tag = text(251).regex(/^[^:]{1,50}:/, 'must be key:value');

const asObject = (tags: string[]): Record<string, string> | undefined =>
  tags.length === 0 ? undefined : Object.fromEntries(tags.map((tag) => [tag.slice(0, tag.indexOf(':')), tag.slice(tag.indexOf(':') + 1)]));

export const listTasksRoute = defineRoute({
  id: 'listTasks',
  method: 'get',
  path: '/tasks',
  summary: 'List tasks: one’s own, or everybody’s for operators',
  tags: ['tasks'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    status: words(STATUSES).optional().describe('comma-separated'),
    queue: Name.optional(),
    template: Name.optional(),
    type: Name.optional().describe('engine'),
    tag: repeatable(Tag).describe('key:value; repeat it for tasks that have all of them'),
    created_after: Instant.optional(),
    created_before: Instant.optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
    q: text(200).min(1).optional().describe('part of the name'),
    sort: z.enum(TASK_SORTS).default('-created_at'),
  }),
  response: { status: 200, schema: pageOf(Task) },
  handle: async ({ query }, ctx) => {
    const { limit, cursor, tag, ...filter } = query;
    refuseOthersName(ctx.actor, filter.user);
    const page = { limit, cursor: cursor ?? null };
    return await listTasks(ctx.em, { ...filter, tags: asObject(tag), ...scopeOf(ctx.actor) }, page);
  },
});
