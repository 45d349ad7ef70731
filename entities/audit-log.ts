import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const AuditLogSchema = defineEntity({
  name: 'AuditLog',
  tableName: 'audit_log',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    actor: p.text(),
    action: p.text(),
    subject_type: p.text(),
    subject_id: p.text(),
    before: p.json<unknown>().nullable(),
    after: p.json<unknown>().nullable(),
    request_id: p.text().nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_audit_log_subject', properties: ['subject_type', 'subject_id', 'id'] },
    { name: 'idx_audit_log_created', properties: ['created_at'] },
  ],
});

/** The operation log: who did what to which thing, before and after, in the transaction of the change itself; append-only. Secrets are never in it. */
export class AuditLog extends AuditLogSchema.class {}
AuditLogSchema.setClass(AuditLog);
