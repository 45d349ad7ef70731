import { type Em, query } from './sql.ts';

/** One measured value with its labels. */
export type Sample = { labels: Record<string, string>; value: number };

/** Everything that the metrics page says about the database, by gauge. */
export type Gauges = Record<
  | 'tasks'
  | 'queue_depth'
  | 'queue_load'
  | 'queue_capacity'
  | 'queue_oldest_seconds'
  | 'pool_total_cpu'
  | 'pool_used_cpu'
  | 'pool_total_memory_mb'
  | 'pool_used_memory_mb'
  | 'workers'
  | 'sla_open_clocks'
  | 'sla_open_breaches'
  | 'sla_overdue_seconds'
  | 'sla_fire_lag_seconds'
  | 'sla_actions'
  | 'deliveries'
  | 'retention_removed_rows'
  | 'retention_last_success_timestamp_seconds'
  | 'flames_runs'
  | 'flames_log_rows'
  | 'flames_log_bytes'
  | 'flames_waiting_for_repair',
  Sample[]
>;

/** Counts of live states use partial or status indexes; final tasks are counted over one day, so that the page costs the same for ever. */
const SQL = `
with waiting as (
  select queue, count(*)::float8 as depth, coalesce(extract(epoch from now() - min(queued_at)), 0)::float8 as oldest
  from tasks where status = 'queued' group by queue),
recent as (select status, count(*)::float8 as n from tasks where created_at > now() - interval '24 hours' and status in ('completed', 'failed', 'cancelled') group by status),
live as (select status, count(*)::float8 as n from tasks where status in ('pending', 'queued', 'processing') group by status),
alive as (select pool, case when heartbeat_at < now() - make_interval(secs => $1) then 'offline' else status end as status from workers)
select 'tasks' as gauge, jsonb_build_object('status', s) as labels, coalesce((select n from live where status = s), (select n from recent where status = s), 0) as value
  from unnest(array['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled']) s
union all select 'queue_depth', jsonb_build_object('queue', name), coalesce((select depth from waiting where queue = name), 0) from queues
union all select 'queue_oldest_seconds', jsonb_build_object('queue', name), coalesce((select oldest from waiting where queue = name), 0) from queues
union all select 'queue_load', jsonb_build_object('queue', name), current_load::float8 from queues
union all select 'queue_capacity', jsonb_build_object('queue', name), capacity::float8 from queues
union all select 'pool_total_cpu', jsonb_build_object('pool', name), total_cpu::float8 from pools
union all select 'pool_used_cpu', jsonb_build_object('pool', name), used_cpu::float8 from pools
union all select 'pool_total_memory_mb', jsonb_build_object('pool', name), total_memory::float8 from pools
union all select 'pool_used_memory_mb', jsonb_build_object('pool', name), used_memory::float8 from pools
union all select 'workers', jsonb_build_object('pool', pool, 'status', status), count(*)::float8 from alive group by pool, status
union all select 'sla_open_clocks', jsonb_build_object('sla', s.name), count(c.id)::float8
  from slas s left join sla_clocks c on c.sla_id = s.id and c.stopped_at is null where s.deleted_at is null group by s.id
union all select 'sla_open_breaches', jsonb_build_object('sla', s.name, 'state', x.state), (select count(*) from breaches b where b.sla_id = s.id and b.state = x.state and b.state <> 'resolved')::float8
  from slas s, unnest(array['open', 'acknowledged', 'snoozed']) as x(state) where s.deleted_at is null
union all select 'sla_overdue_seconds', '{}', greatest(0, coalesce(extract(epoch from clock_timestamp() - min(next_at)), 0))::float8 from sla_clocks where next_at is not null
union all select 'sla_fire_lag_seconds', jsonb_build_object('quantile', x.q::text), coalesce(percentile_cont(x.q) within group (order by extract(epoch from b.fired_at - b.due_at)), 0)::float8
  from unnest(array[0.5, 0.99]) as x(q) left join breaches b on b.created_at > now() - interval '1 hour' group by x.q
union all select 'sla_actions', jsonb_build_object('action', a.kind, 'result', a.state), count(*)::float8
  from breaches b join breach_actions a on a.breach_id = b.id where b.created_at > now() - interval '24 hours' group by a.kind, a.state
union all select 'deliveries', jsonb_build_object('channel', channel, 'state', state), count(*)::float8
  from deliveries where created_at > now() - interval '24 hours' group by channel, state
union all select 'retention_removed_rows', jsonb_build_object('table', r.key), r.value::float8
  from (select removed from retention_runs order by id desc limit 1) last, jsonb_each_text(last.removed) r
union all select 'retention_last_success_timestamp_seconds', '{}', extract(epoch from max(finished_at))::float8
  from retention_runs where status = 'completed' having count(*) > 0
union all select 'flames_runs', jsonb_build_object('status', s), (select count(*)::float8 from task_flames where status = s) from unnest(array['pending', 'running', 'scoring']) s
union all select 'flames_log_rows', '{}', greatest(0, reltuples)::float8 from pg_class where oid = to_regclass('task_flames_logs')
union all select 'flames_log_bytes', '{}', coalesce(pg_total_relation_size(to_regclass('task_flames_logs')), 0)::float8
union all select 'flames_waiting_for_repair', '{}', count(*)::float8 from task_flames where repair_at is not null`;

/** Reads all gauges in one statement, from one snapshot. `lostAfterS`: silence in seconds after which a worker counts as offline. */
export async function readGauges(em: Em, lostAfterS: number): Promise<Gauges> {
  const gauges: Gauges = {
    tasks: [],
    queue_depth: [],
    queue_load: [],
    queue_capacity: [],
    queue_oldest_seconds: [],
    pool_total_cpu: [],
    pool_used_cpu: [],
    pool_total_memory_mb: [],
    pool_used_memory_mb: [],
    workers: [],
    sla_open_clocks: [],
    sla_open_breaches: [],
    sla_overdue_seconds: [],
    sla_fire_lag_seconds: [],
    sla_actions: [],
    deliveries: [],
    retention_removed_rows: [],
    retention_last_success_timestamp_seconds: [],
    flames_runs: [],
    flames_log_rows: [],
    flames_log_bytes: [],
    flames_waiting_for_repair: [],
  };
  const rows = await query<{ gauge: keyof Gauges; labels: Record<string, string>; value: number }>(em, SQL, [lostAfterS]);
  for (const { gauge, labels, value } of rows) gauges[gauge].push({ labels, value });
  return gauges;
}
