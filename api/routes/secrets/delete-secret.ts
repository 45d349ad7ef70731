import { deleteSecret } from '../../../commands/delete-secret.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const deleteSecretRoute = defineRoute({
  id: 'deleteSecret',
  method: 'delete',
  path: '/secrets/{name}',
  summary: 'Delete a secret; tasks that refer to it fail from now on',
  tags: ['secrets'],
  rights: 'admin',
  params: NamePath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteSecret(ctx, params.name),
});
