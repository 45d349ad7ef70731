import type { Refusal } from '../core/admission.ts';
import { type Em, query } from '../entities/sql.ts';

/** Writes down why tasks did not start when they were looked at as heads of their group; a task's row changes at most once a second. */
export async function recordDecisions(em: Em, refusals: readonly Refusal[]): Promise<void> {
  await query(em, RECORD, [refusals.map(({ uuid }) => uuid), refusals.map(({ gates }) => JSON.stringify(gates))]);
}

const RECORD = `
insert into admission_decisions (task_id, gates, decided_at)
select r.task_id, r.gates, clock_timestamp() from unnest($1::uuid[], $2::jsonb[]) as r(task_id, gates)
where not exists (select 1 from admission_decisions d where d.task_id = r.task_id and d.decided_at > clock_timestamp() - interval '1 second')
  and exists (select 1 from tasks t where t.uuid = r.task_id and t.status = 'queued')
order by r.task_id
on conflict (task_id) do update set gates = excluded.gates, decided_at = excluded.decided_at, updated_at = now()`;
