import { notFound } from '../../../commands/lock-row.ts';
import { findUser } from '../../../entities/user.queries.ts';
import { User } from '../../../schemas/user.ts';
import { defineRoute } from '../../define-route.ts';

export const getMeRoute = defineRoute({
  id: 'getMe',
  method: 'get',
  path: '/users/me',
  summary: 'Get the user that the API key belongs to',
  tags: ['users'],
  rights: 'user',
  response: { status: 200, schema: User },
  handle: async (_input, ctx) => {
    const user = await findUser(ctx.em, ctx.actor.id);
    if (!user) throw notFound('users', ctx.actor.id);
    return user;
  },
});
