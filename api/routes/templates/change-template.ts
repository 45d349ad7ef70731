import { changeTemplate } from '../../../commands/change-template.ts';
import { Template, TemplateChange } from '../../../schemas/template.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const changeTemplateRoute = defineRoute({
  id: 'changeTemplate',
  method: 'patch',
  path: '/templates/{name}',
  summary: 'Attach an SLA to a template, or take it away; what else it says is in its versions',
  tags: ['templates'],
  rights: 'operator',
  params: NamePath,
  body: TemplateChange,
  response: { status: 200, schema: Template },
  handle: async ({ params, body }, ctx) => await changeTemplate(ctx, params.name, body),
});
