import { z } from 'zod';
import { listAlertRules } from '../../../entities/alert-list.queries.ts';
import { AlertRule } from '../../../schemas/alert.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';

export const listAlertRulesRoute = defineRoute({
  id: 'listAlertRules',
  method: 'get',
  path: '/alerts/rules',
  summary: 'List alert rules, oldest first',
  tags: ['alerts'],
  rights: 'operator',
  query: z.strictObject({
    ...PageQuery,
    enabled: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional(),
    q: text(100).min(1).optional().describe('part of the name'),
  }),
  response: { status: 200, schema: pageOf(AlertRule) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listAlertRules(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
