import type { QuotaEntry } from '../schemas/video.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import type { Em } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime } from './wire.ts';

const COLUMNS = `${wireNumber('l.id')}, u.username as user, l.task_id, l.round, l.kind, l.amount, ${wireTime('l.created_at')}`;

/** Movements of quotas, newest first; filters that are absent are undefined. */
export async function listQuotaEntries(
  em: Em,
  filter: { task_id?: string; user?: string } & Scope,
  page: PageRequest,
): Promise<Page<QuotaEntry>> {
  const list = conditions();
  where(list, 'l.user_id = ?', filter.user_id);
  where(list, 'l.task_id = ?::uuid', filter.task_id);
  where(list, 'l.user_id = (select id from users where username = ?)', filter.user);
  const keys = [{ column: 'l.id', kind: 'integer' as const }];
  const from = 'quota_ledger l join users u on u.id = l.user_id';
  return await readPage(em, { columns: COLUMNS, from, conditions: list, sort: '-id', keys }, page);
}
