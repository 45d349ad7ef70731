import { z } from 'zod';
import { listAudit } from '../../../entities/audit-log.queries.ts';
import { AuditEntry } from '../../../schemas/history.ts';
import { Instant, text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';

const word = text(200).min(1).optional();

export const listAuditLogRoute = defineRoute({
  id: 'listAuditLog',
  method: 'get',
  path: '/audit-log',
  summary: 'Read the operation log, newest first',
  tags: ['audit-log'],
  rights: 'admin',
  query: z.strictObject({
    ...PageQuery,
    actor: word.describe('as it stands there, such as user:admin'),
    action: word,
    subject_type: word,
    subject_id: word,
    created_after: Instant.optional(),
    created_before: Instant.optional(),
  }),
  response: { status: 200, schema: pageOf(AuditEntry) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listAudit(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
