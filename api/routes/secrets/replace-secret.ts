import { storeSecret } from '../../../commands/store-secret.ts';
import { Secret, SecretContent } from '../../../schemas/secret.ts';
import { defineRoute } from '../../define-route.ts';
import { NamePath } from '../paths.ts';

export const replaceSecretRoute = defineRoute({
  id: 'replaceSecret',
  method: 'put',
  path: '/secrets/{name}',
  summary: 'Store a secret, replacing one of that name with its hosts and grants',
  tags: ['secrets'],
  rights: 'admin',
  params: NamePath,
  body: SecretContent,
  response: { status: 200, schema: Secret },
  handle: async ({ params, body }, ctx) => await storeSecret(ctx, { secret: { name: params.name, ...body }, replace: true }),
});
