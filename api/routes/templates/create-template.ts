import { createTemplate } from '../../../commands/create-template.ts';
import { TemplateCreation, TemplateDetail } from '../../../schemas/template.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createTemplateRoute = defineRoute({
  id: 'createTemplate',
  method: 'post',
  path: '/templates',
  summary: 'Create a template with its version 1',
  tags: ['templates'],
  rights: 'operator',
  body: TemplateCreation,
  response: { status: 201, schema: TemplateDetail },
  handle: async ({ body }, ctx) => {
    const template = await createTemplate(ctx, body, ctx.engines);
    return withHeaders(template, { Location: `/api/v1/templates/${template.name}` });
  },
});
