import { createUser } from '../../../commands/create-user.ts';
import { UserCreation, UserWithKey } from '../../../schemas/user.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createUserRoute = defineRoute({
  id: 'createUser',
  method: 'post',
  path: '/users',
  summary: 'Create a user; the answer shows the API key this once',
  tags: ['users'],
  rights: 'admin',
  body: UserCreation,
  response: { status: 201, schema: UserWithKey },
  handle: async ({ body }, ctx) => {
    const user = await createUser(ctx, body);
    return withHeaders(user, { Location: `/api/v1/users/${user.id}` });
  },
});
