import type { AuditEntry } from '../schemas/history.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import type { Em } from './sql.ts';
import { wireNumber, wireTime } from './wire.ts';

/** Filters that are absent are undefined. */
export type AuditFilter = {
  actor?: string;
  action?: string;
  subject_type?: string;
  subject_id?: string;
  created_after?: string;
  created_before?: string;
};

const COLUMNS = `${wireNumber('a.id')}, a.actor, a.action, a.subject_type, a.subject_id, a.before, a.after, a.request_id, ${wireTime('a.created_at')}`;

/** The operation log, newest first. */
export async function listAudit(em: Em, filter: AuditFilter, page: PageRequest): Promise<Page<AuditEntry>> {
  const list = conditions();
  where(list, 'a.actor = ?', filter.actor);
  where(list, 'a.action = ?', filter.action);
  where(list, 'a.subject_type = ?', filter.subject_type);
  where(list, 'a.subject_id = ?', filter.subject_id);
  where(list, 'a.created_at > ?::timestamptz', filter.created_after);
  where(list, 'a.created_at < ?::timestamptz', filter.created_before);
  const keys = [{ column: 'a.id', kind: 'integer' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'audit_log a', conditions: list, sort: '-id', keys }, page);
}
