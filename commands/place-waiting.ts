import { type Em, query } from '../entities/sql.ts';

type Move = { uuid: string; why: string; actor: string };

/**
 * Puts a waiting task, whose row the caller has locked and changed, where its columns say that it belongs: on hold, behind its dependencies,
 * before its start time, or into the queue. Writes history when that is elsewhere than before. A queue clock starts anew with each queueing.
 */
export async function placeWaiting(em: Em, { uuid, why, actor }: Move): Promise<void> {
  await query(em, PLACE, [uuid, why, actor]);
}

const PLACE = `
with w as (
  select uuid, status, pending_reason,
    case when held_at is not null then 'hold' when waits_for > 0 then 'dependency'
      when not_before > clock_timestamp() then case when attempt > 0 then 'retry' else 'not_before' end end as reason
  from tasks where uuid = $1 and status in ('pending', 'queued')),
t as (
  update tasks set status = case when w.reason is null then 'queued' else 'pending' end, pending_reason = w.reason,
    queued_at = case when w.reason is null then clock_timestamp() else tasks.queued_at end
  from w where tasks.uuid = w.uuid and w.reason is distinct from w.pending_reason
  returning tasks.uuid, w.status as before, tasks.status)
insert into task_history (task_id, subject, from_status, to_status, reason, actor) select uuid, 'task', before, status, $2, $3 from t`;
