import { notFound } from '../../../commands/lock-row.ts';
import { findUser } from '../../../entities/user.queries.ts';
import { User } from '../../../schemas/user.ts';
import { defineRoute } from '../../define-route.ts';
import { UserPath } from '../paths.ts';

export const getUserRoute = defineRoute({
  id: 'getUser',
  method: 'get',
  path: '/users/{id}',
  summary: 'Get a user',
  tags: ['users'],
  rights: 'admin',
  params: UserPath,
  response: { status: 200, schema: User },
  handle: async ({ params }, ctx) => {
    const user = await findUser(ctx.em, params.id);
    if (!user) throw notFound('users', params.id);
    return user;
  },
});
