import { changeUser } from '../../../commands/change-user.ts';
import { User, UserChange } from '../../../schemas/user.ts';
import { defineRoute } from '../../define-route.ts';
import { UserPath } from '../paths.ts';

export const changeUserRoute = defineRoute({
  id: 'changeUser',
  method: 'patch',
  path: '/users/{id}',
  summary: 'Change a user’s role, rights, quota, e-mail address, or whether they are active',
  tags: ['users'],
  rights: 'admin',
  params: UserPath,
  body: UserChange,
  response: { status: 200, schema: User },
  handle: async ({ params, body }, ctx) => {
    const user = await changeUser(ctx, params.id, body);
    ctx.forgetKeys();
    return user;
  },
});
