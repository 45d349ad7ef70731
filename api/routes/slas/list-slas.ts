import { z } from 'zod';
import { refuseOthersName } from '../../../commands/context.ts';
import { listSlas } from '../../../entities/sla.queries.ts';
import { Name, text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Sla } from '../../../schemas/sla.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listSlasRoute = defineRoute({
  id: 'listSlas',
  method: 'get',
  path: '/slas',
  summary: 'List SLAs, newest first: one’s own, or everybody’s for operators',
  tags: ['slas'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    enabled: z
      .enum(['true', 'false'])
      .transform((word) => word === 'true')
      .optional(),
    name: Name.optional(),
    user: text(50).min(1).optional().describe('user name; for operators'),
  }),
  response: { status: 200, schema: pageOf(Sla) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => {
    refuseOthersName(ctx.actor, filter.user);
    return await listSlas(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null });
  },
});
