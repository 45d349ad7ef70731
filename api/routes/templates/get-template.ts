import { notFound } from '../../../commands/lock-row.ts';
import { findTemplateDetail } from '../../../entities/template.queries.ts';
import { TemplateDetail } from '../../../schemas/template.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const getTemplateRoute = defineRoute({
  id: 'getTemplate',
  method: 'get',
  path: '/templates/{name}',
  summary: 'Get a template with its versions, newest first',
  tags: ['templates'],
  rights: 'user',
  params: NamePath,
  response: { status: 200, schema: TemplateDetail },
  handle: async ({ params }, ctx) => {
    const template = await findTemplateDetail(ctx.em, params.name);
    if (!template) throw notFound('templates', params.name);
    return template;
  },
});
