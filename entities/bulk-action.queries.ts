import type { BulkAction, BulkActionItem } from '../schemas/bulk-action.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime, wireTimes } from './wire.ts';

const COLUMNS = `b.id, b.action, b.filter, b.args, b.status, u.username as user, b.total, n.waiting, n.done, n.failed, n.skipped,
  ${wireTime('b.completed_at')}, ${wireTimes('b')}`;
const FROM = `bulk_actions b join users u on u.id = b.user_id, lateral (
  select count(*) filter (where status = 'waiting')::int4 as waiting, count(*) filter (where status = 'done')::int4 as done,
    count(*) filter (where status = 'failed')::int4 as failed, count(*) filter (where status = 'skipped')::int4 as skipped
  from bulk_action_items i where i.bulk_action_id = b.id) n`;

/** One bulk action as the API shows it; null when there is none or it is somebody else's. */
export async function findBulkAction(em: Em, id: string, scope: Scope): Promise<BulkAction | null> {
  const sql = `select ${COLUMNS} from ${FROM} where b.id = $1 and ($2::int8 is null or b.user_id = $2)`;
  return (await query<BulkAction>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Bulk actions, newest first. */
export async function listBulkActions(em: Em, filter: Scope & { status?: string }, page: PageRequest): Promise<Page<BulkAction>> {
  const list = conditions();
  where(list, 'b.user_id = ?', filter.user_id);
  where(list, 'b.status = ?', filter.status);
  const keys: Key[] = [{ column: 'b.id', kind: 'uuid' }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-id', keys }, page);
}

/** What became of each task, by task. */
export async function listBulkItems(em: Em, filter: { id: string; status?: string }, page: PageRequest): Promise<Page<BulkActionItem>> {
  const list = conditions();
  where(list, 'i.bulk_action_id = ?', filter.id);
  where(list, 'i.status = ?', filter.status);
  const columns = `i.task_id as task, i.status, i.code, i.detail, ${wireTime('i.updated_at')}`;
  const keys: Key[] = [{ column: 'i.task_id', kind: 'uuid' }];
  return await readPage(em, { columns, from: 'bulk_action_items i', conditions: list, sort: 'task', keys }, page);
}
