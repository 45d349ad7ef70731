import { type Em, query } from '../entities/sql.ts';

/**
 * One entry of the operation log. `actor` as `actorName` spells it; `before` and `after`: the thing as shown to its readers, null where it
 * did not exist; never a secret, a key or a hash.
 */
export type AuditEntry = {
  actor: string;
  action: string;
  subject_type: string;
  subject_id: string;
  before?: unknown;
  after?: unknown;
  request_id: string | null;
};

const json = (value: unknown): string | null => (value === undefined || value === null ? null : JSON.stringify(value));

/** Writes the entry in the caller's transaction, so that a change and its record stand or fall together. */
export async function writeAudit(em: Em, entry: AuditEntry): Promise<void> {
  await query(
    em,
    `insert into audit_log (actor, action, subject_type, subject_id, before, after, request_id)
     values ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7)`,
    [entry.actor, entry.action, entry.subject_type, entry.subject_id, json(entry.before), json(entry.after), entry.request_id],
  );
}
