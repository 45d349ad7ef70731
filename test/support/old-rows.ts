import { type Em, query } from '../../entities/sql.ts';

/** `age_days`: since when tasks and instances are over; `lines`: log lines of each instance. */
export type OldRows = { tasks: number; age_days: number; lines?: number; status?: 'completed' | 'failed' | 'cancelled' };

/**
 * Tasks of template `t` that ended long ago, each with one instance, its released grant, its log lines, four entries of history and the audit row of its
 * submission, in one statement.
 */
export async function makeOldTasks(em: Em, { tasks, age_days, lines = 2, status = 'completed' }: OldRows): Promise<void> {
  await query(em, OLD, [tasks, age_days, lines, status]);
}

const OLD = `
with v as (select v.id, u.id as user_id from template_versions v, users u where v.template = 't' and u.username = 'ada'),
t as (
  insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, started_at,
    completed_at, attempt, retry_policy, created_at)
  select 'old', 't', v.id, 'empty', $4, 'q', v.user_id, 1, 100, 'empty', at, at, at, at, 1, '{}', at - interval '1 minute'
  from v, generate_series(1, $1::int4) n, lateral (select now() - make_interval(days => $2) - n * interval '1 second' as at) x
  returning uuid, created_at, completed_at as at),
i as (
  insert into instances (task_id, attempt, status, start_time, end_time, workflow_id, worker, cpu, memory_mb, timeout, log_lines, created_at)
  select uuid, 1, $4, at, at, 'task/' || uuid || '/1', 'w', 1, 100, 60, $3, created_at from t returning runid, end_time),
g as (
  insert into grants (runid, queue, pool, worker, cpu, memory_mb, released_at, created_at) select runid, 'q', 'p', 'w', 1, 100, end_time, end_time from i),
l as (
  insert into instance_logs (runid, seq, stream, line, created_at) select runid, n, 'stdout', 'line ' || n, end_time from i, generate_series(1, $3::int4) n),
h as (
  insert into task_history (task_id, subject, from_status, to_status, actor, created_at)
  select uuid, 'task', f, s, 'test', at from t, (values (1, null, 'queued'), (2, 'queued', 'processing'), (3, 'processing', $4)) as x(n, f, s) order by at, n)
insert into audit_log (actor, action, subject_type, subject_id, created_at) select 'test', 'task.submit', 'task', uuid::text, created_at from t`;

export const TABLES = ['tasks', 'instances', 'grants', 'instance_logs', 'task_history', 'audit_log', 'idempotency_keys'] as const;

/** Rows of each table that the retention removes from. */
export async function rowCounts(em: Em): Promise<Record<(typeof TABLES)[number], number>> {
  const sql = `select ${TABLES.map((table) => `(select count(*)::int4 from ${table}) as ${table}`).join(', ')}`;
  return (await query<Record<(typeof TABLES)[number], number>>(em, sql))[0] as Record<(typeof TABLES)[number], number>;
}
