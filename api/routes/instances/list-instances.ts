import { z } from 'zod';
import { listInstances } from '../../../entities/instance.queries.ts';
import { Instance } from '../../../schemas/instance.ts';
import { Instant, Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

const STATUSES = ['starting', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'lost'] as const;

export const listInstancesRoute = defineRoute({
  id: 'listInstances',
  method: 'get',
  path: '/instances',
  summary: 'List instances of visible tasks',
  tags: ['instances'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    status: words(STATUSES).optional().describe('comma-separated'),
    task: z.uuid().toLowerCase().optional(),
    worker: Name.optional(),
    queue: Name.optional(),
    template: Name.optional(),
    created_after: Instant.optional(),
    created_before: Instant.optional(),
    sort: z.enum(['-created_at', 'created_at']).default('-created_at'),
  }),
  response: { status: 200, schema: pageOf(Instance) },
  handle: async ({ query }, ctx) => {
    const { limit, cursor, sort, ...filter } = query;
    const page = { limit, cursor: cursor ?? null };
    return await listInstances(ctx.em, { ...filter, oldest_first: sort === 'created_at', ...scopeOf(ctx.actor) }, page);
  },
});
