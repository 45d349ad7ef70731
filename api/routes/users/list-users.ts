import { z } from 'zod';
import { listUsers } from '../../../entities/user.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Role, User } from '../../../schemas/user.ts';
import { defineRoute } from '../../define-route.ts';

const flag = z.enum(['true', 'false']).transform((word) => word === 'true');

export const listUsersRoute = defineRoute({
  id: 'listUsers',
  method: 'get',
  path: '/users',
  summary: 'List users by id',
  tags: ['users'],
  rights: 'admin',
  query: z.strictObject({
    ...PageQuery,
    role: Role.optional(),
    is_active: flag.optional(),
  }),
  response: { status: 200, schema: pageOf(User) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listUsers(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
