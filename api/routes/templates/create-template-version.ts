import { createTemplateVersion } from '../../../commands/create-template-version.ts';
import { TemplateDetail, TemplateVersionCreation } from '../../../schemas/template.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const createTemplateVersionRoute = defineRoute({
  id: 'createTemplateVersion',
  method: 'post',
  path: '/templates/{name}/versions',
  summary: 'Add a version to a template; what is left out stays',
  tags: ['templates'],
  rights: 'operator',
  params: NamePath,
  body: TemplateVersionCreation,
  response: { status: 201, schema: TemplateDetail },
  handle: async ({ params, body }, ctx) => {
    const template = await createTemplateVersion(ctx, { name: params.name, change: body }, ctx.engines);
    return withHeaders(template, { Location: `/api/v1/templates/${template.name}` });
  },
});
