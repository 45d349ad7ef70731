import { z } from 'zod';
import { listTemplates } from '../../../entities/template.queries.ts';
import { Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Template } from '../../../schemas/template.ts';
import { defineRoute } from '../../define-route.ts';

export const listTemplatesRoute = defineRoute({
  id: 'listTemplates',
  method: 'get',
  path: '/templates',
  summary: 'List templates by name',
  tags: ['templates'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, engine: Name.optional(), queue: Name.optional() }),
  response: { status: 200, schema: pageOf(Template) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listTemplates(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
