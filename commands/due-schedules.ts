import { type Em, query } from '../entities/sql.ts';

/** Schedules that have something to do: a fire that is due since `grace_ms`, or fires that wait and room for one. Longest overdue first. */
export async function dueSchedules(em: Em, { grace_ms, limit }: { grace_ms: number; limit: number }): Promise<string[]> {
  const rows = await query<{ id: string }>(em, DUE, [grace_ms / 1000, limit]);
  return rows.map(({ id }) => id);
}

const DUE = `(select id from schedules where status = 'active' and deleted_at is null and due_at <= clock_timestamp() - make_interval(secs => $1)
    order by due_at limit $2)
  union
  (select s.id from schedules s where s.deleted_at is null and s.status <> 'paused'
    and s.id in (select distinct schedule_id from occurrences where outcome = 'queued')
    and (select count(*) from tasks t where t.source_id = s.id and t.status in ('pending', 'queued', 'processing'))
      < case when s.overlap = 'allow' then s.overlap_max else 1 end limit $2)`;

/** Backfills that have not come to their end. */
export async function runningBackfills(em: Em): Promise<{ id: string; schedule_id: string }[]> {
  return await query(em, `select id, schedule_id from backfills where status = 'running' order by id limit 1000`);
}
