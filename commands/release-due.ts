import { type Em, query } from '../entities/sql.ts';

/** Queues the tasks whose start time or retry delay has passed. @returns how many */
export async function releaseDue(em: Em, limit = 500): Promise<number> {
  const rows = await query(em, RELEASE, [limit]);
  return rows.length;
}

const RELEASE = `
with due as (
  select uuid, pending_reason from tasks
  where status = 'pending' and pending_reason in ('not_before', 'retry') and not_before <= clock_timestamp()
  order by not_before limit $1 for no key update skip locked),
locked as (select lock_keys(array_agg(uuid)) from due),
t as (
  update tasks set status = 'queued', pending_reason = null, queued_at = clock_timestamp()
  from due, (select count(*) from locked) locked_keys where tasks.uuid = due.uuid returning tasks.uuid, due.pending_reason)
insert into task_history (task_id, subject, from_status, to_status, reason, actor)
select uuid, 'task', 'pending', 'queued', pending_reason, 'dispatcher' from t returning task_id`;
