import { z } from 'zod';
import { listBreaches } from '../../../entities/breach.queries.ts';
import { BREACH_STATES, Breach, SUBJECT_TYPES } from '../../../schemas/breach.ts';
import { Instant, Name, text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** What lists and streams of breaches can be narrowed by. */
export const BreachQuery = {
  state: words(BREACH_STATES).optional().describe('comma-separated'),
  sla_id: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
  condition: Name.optional(),
  kind: Name.optional(),
  stage: z.coerce.number().int().min(1).max(1_000).optional(),
  subject_type: z.enum(SUBJECT_TYPES).optional(),
  subject_id: text(200).min(1).optional(),
  task: z.uuid().toLowerCase().optional(),
  fired_after: Instant.optional(),
  fired_before: Instant.optional(),
};

export const listBreachesRoute = defineRoute({
  id: 'listBreaches',
  method: 'get',
  path: '/breaches',
  summary: 'List breaches, newest first: those of one’s own SLAs and tasks, or all for operators',
  tags: ['breaches'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, ...BreachQuery }),
  response: { status: 200, schema: pageOf(Breach) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) =>
    await listBreaches(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null }),
});
