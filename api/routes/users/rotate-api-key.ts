import { rotateApiKey } from '../../../commands/rotate-api-key.ts';
import { ApiKey, KeyRotation } from '../../../schemas/user.ts';
import { defineRoute } from '../../define-route.ts';
import { UserPath } from '../paths.ts';

export const rotateApiKeyRoute = defineRoute({
  id: 'rotateApiKey',
  method: 'post',
  path: '/users/{id}/api-key',
  summary: 'Give a user a new API key, shown this once; the one before may stay valid for a while',
  tags: ['users'],
  rights: 'admin',
  params: UserPath,
  body: KeyRotation.default({ grace_s: 0 }),
  response: { status: 201, schema: ApiKey },
  handle: async ({ params, body }, ctx) => {
    const key = await rotateApiKey(ctx, params.id, body.grace_s);
    ctx.forgetKeys();
    return key;
  },
});
