import { z } from 'zod';
import { listSecrets } from '../../../entities/secret.queries.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { Secret } from '../../../schemas/secret.ts';
import { defineRoute } from '../../define-route.ts';

export const listSecretsRoute = defineRoute({
  id: 'listSecrets',
  method: 'get',
  path: '/secrets',
  summary: 'List secrets by name, without their values',
  tags: ['secrets'],
  rights: 'admin',
  query: z.strictObject(PageQuery),
  response: { status: 200, schema: pageOf(Secret) },
  handle: async ({ query }, ctx) => await listSecrets(ctx.em, { limit: query.limit, cursor: query.cursor ?? null }),
});
