import { storeSecret } from '../../../commands/store-secret.ts';
import { Secret, SecretCreation } from '../../../schemas/secret.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createSecretRoute = defineRoute({
  id: 'createSecret',
  method: 'post',
  path: '/secrets',
  summary: 'Store a secret under a new name',
  tags: ['secrets'],
  rights: 'admin',
  body: SecretCreation,
  response: { status: 201, schema: Secret },
  handle: async ({ body }, ctx) =>
    withHeaders(await storeSecret(ctx, { secret: body, replace: false }), { Location: `/api/v1/secrets/${body.name}` }),
});
