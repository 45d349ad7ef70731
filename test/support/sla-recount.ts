import { type Em, query } from '../../entities/sql.ts';

/** Limits in seconds, `at`: an instant; what the SLA under test says. Each condition is named like its kind. */
export type Limits = { queue_wait: number; start_delay: number; run_time: number; total_time: number; attempts: number; at: string };

/** `key`: task, condition, stage and attempt; `near`: so close to its limit that a millisecond decides, and only known to a few. */
export type Expected = { key: string; near: boolean };

/**
 * What must have been broken, worked out from tasks, instances and their history alone: nothing here reads a table of SLAs. For tasks that are all final.
 * When a task was queued again is known by its history, which is written some milliseconds after the column that the clock reads.
 */
export async function recount(em: Em, limits: Limits, stages: Record<string, number[]>): Promise<Expected[]> {
  const { queue_wait, start_delay, run_time, total_time, attempts, at } = limits;
  return await query<Expected>(em, RECOUNT, [queue_wait, start_delay, run_time, total_time, attempts, at, JSON.stringify(stages)]);
}

const RECOUNT = `
with tries as (
  select t.uuid, t.eligible_at, t.status as ended, t.completed_at, i.attempt, i.admitted_at, i.start_time, i.end_time, (
      select max(h.created_at) from task_history h where h.task_id = t.uuid and h.subject = 'task' and h.to_status = 'queued' and h.created_at <= i.admitted_at) as requeued_at
  from tasks t join instances i on i.task_id = t.uuid),
spans as (
  select uuid, 'queue_wait' as condition, attempt, case when attempt = 1 then eligible_at else requeued_at end as start, admitted_at as stop, $1::float8 as limit_s, attempt > 1 as inexact from tries
  union all
  select t.uuid, 'queue_wait', t.attempt + 1, case when t.attempt = 0 then t.eligible_at else (
      select max(h.created_at) from task_history h where h.task_id = t.uuid and h.subject = 'task' and h.to_status = 'queued') end, t.completed_at, $1, t.attempt > 0
    from tasks t where t.status = 'cancelled' and (
      select from_status from task_history h where h.task_id = t.uuid and h.subject = 'task' and h.to_status = 'cancelled' order by id desc limit 1) = 'queued'
  union all select uuid, 'start_delay', attempt, admitted_at, coalesce(start_time, end_time), $2, false from tries
  union all select uuid, 'run_time', attempt, start_time, end_time, $3, false from tries where start_time is not null
  union all select uuid, 'total_time', null, eligible_at, completed_at, $4, false from tasks
  union all select uuid, 'deadline', null, eligible_at, case when status <> 'failed' then completed_at else 'infinity' end, extract(epoch from $6::timestamptz - eligible_at)::float8, false from tasks),
told as (
  select s.uuid, s.condition, p.pct::int4 as pct, s.attempt, s.stop > (s.start + make_interval(secs => s.limit_s * p.pct::int4 / 100))::timestamptz(3) as broken,
    s.inexact and abs(extract(epoch from s.stop - s.start) - s.limit_s * p.pct::int4 / 100) < 0.05 as near
  from spans s, lateral jsonb_array_elements_text(coalesce($7::jsonb -> s.condition, '[100]')) as p(pct))
select uuid || ' ' || condition || ' ' || pct || ' ' || coalesce(attempt, 0) as key, near from told where broken or near
union all
select t.uuid || ' attempts 100 0', false from tasks t where (select count(*) from instances i where i.task_id = t.uuid) > $5::int4`;

/** What was told, in the same form. */
export async function toldBreaches(em: Em): Promise<string[]> {
  const sql = `select subject_id || ' ' || condition || ' ' || stage || ' ' || coalesce(detail->>'attempt', '0') as key from breaches order by id`;
  return (await query<{ key: string }>(em, sql)).map(({ key }) => key);
}

/** Everything that is on one side only; a key that was told twice is too. */
export function differences(
  expected: readonly Expected[],
  told: readonly string[],
): { missing: string[]; surplus: string[]; twice: string[] } {
  const seen = new Set(told);
  const wanted = new Set(expected.map(({ key }) => key));
  return {
    missing: expected.filter(({ key, near }) => !near && !seen.has(key)).map(({ key }) => key),
    surplus: told.filter((key) => !wanted.has(key)),
    twice: told.filter((key, n) => told.indexOf(key) !== n),
  };
}
