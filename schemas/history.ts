import { z } from 'zod';

/** One change of state of a task or of one of its instances. */
export const HistoryEntry = z
  .object({
    id: z.int(),
    runid: z.uuid().nullable(),
    subject: z.enum(['task', 'instance']),
    from_status: z.string().nullable(),
    to_status: z.string(),
    reason: z.string().nullable(),
    actor: z.string(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'HistoryEntry' });
export type HistoryEntry = z.output<typeof HistoryEntry>;

/** One entry of the operation log: who did what to which thing, before and after. */
export const AuditEntry = z
  .object({
    id: z.int(),
    actor: z.string(),
    action: z.string(),
    subject_type: z.string(),
    subject_id: z.string(),
    before: z.unknown(),
    after: z.unknown(),
    request_id: z.string().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.output<typeof AuditEntry>;
