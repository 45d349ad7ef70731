import { deleteTemplate } from '../../../commands/delete-template.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const deleteTemplateRoute = defineRoute({
  id: 'deleteTemplate',
  method: 'delete',
  path: '/templates/{name}',
  summary: 'Delete a template that no task was made from',
  tags: ['templates'],
  rights: 'operator',
  params: NamePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteTemplate(ctx, params.name),
});
