import { revokeApiKey } from '../../../commands/revoke-api-key.ts';
import { defineRoute } from '../../define-route.ts';
import { UserPath } from '../paths.ts';

export const revokeApiKeyRoute = defineRoute({
  id: 'revokeApiKey',
  method: 'delete',
  path: '/users/{id}/api-key',
  summary: 'Revoke all API keys of a user at once',
  tags: ['users'],
  rights: 'admin',
  params: UserPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => {
    await revokeApiKey(ctx, params.id);
    ctx.forgetKeys();
  },
});
