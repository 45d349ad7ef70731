import { type Em, query } from '../entities/sql.ts';
import { SLA_INVARIANTS } from './invariants-sla.ts';

/** One promise of the engine: `violations` lists up to 20 offenders, and is empty while the promise holds. */
export type InvariantResult = { name: string; promise: string; violations: Record<string, unknown>[] };

const LIVE = `('starting', 'running')`;

const counters = (holder: 'pool' | 'worker', key: string) => ({
  name: `${holder}_counters`,
  promise: `what a ${holder} counts as used is the sum of its held grants`,
  sql: `select h.${key}, h.used_cpu, g.cpu, h.used_memory, g.memory from ${holder}s h, lateral (
      select coalesce(sum(cpu), 0) as cpu, coalesce(sum(memory_mb), 0) as memory from grants where ${holder} = h.${key} and released_at is null) g
    where h.used_cpu <> g.cpu or h.used_memory <> g.memory`,
});

const INVARIANTS = [
  {
    name: 'task_has_live_instance',
    promise: 'a processing task has exactly one live instance, other tasks have none',
    sql: `select t.uuid, t.status, count(i.runid)::int4 as live from tasks t
      left join instances i on i.task_id = t.uuid and i.status in ${LIVE}
      where t.status = 'processing' or i.runid is not null
      group by t.uuid, t.status having count(i.runid) <> case when t.status = 'processing' then 1 else 0 end`,
  },
  counters('pool', 'name'),
  counters('worker', 'id'),
  {
    name: 'queue_load',
    promise: 'the load of a queue is the number of its held grants',
    sql: `select q.name, q.current_load, g.n from queues q, lateral (
        select count(*)::int4 as n from grants where queue = q.name and released_at is null) g where q.current_load <> g.n`,
  },
  {
    name: 'grant_follows_instance',
    promise: 'a live instance holds its grant, a final one has released it',
    sql: `select i.runid, i.status, g.released_at from instances i left join grants g on g.runid = i.runid
      where g.runid is null or (i.status in ${LIVE}) <> (g.released_at is null)`,
  },
  {
    name: 'grants_replayed',
    promise: 'replayed in the order in which they were taken and given back, the grants of a pool never exceed its totals of that moment',
    sql: `with e as (
        select pool, acquire_seq as seq, cpu, memory_mb as memory, true as taken from grants where acquire_seq is not null
        union all select pool, release_seq, -cpu, -memory_mb, false from grants where acquire_seq is not null and release_seq is not null),
      r as (select *, sum(cpu) over w as held_cpu, sum(memory) over w as held_memory from e window w as (partition by pool order by seq))
      select r.pool, r.seq, r.held_cpu, r.held_memory, t.total_cpu, t.total_memory from r, lateral (
        select total_cpu, total_memory from pool_totals where pool = r.pool and from_seq < r.seq order by from_seq desc, id desc limit 1) t
      where r.taken and (r.held_cpu > t.total_cpu or r.held_memory > t.total_memory)`,
  },
  {
    name: 'key_places',
    promise: 'a concurrency key counts the tasks that hold a place of it, and every keyed task that runs holds one',
    sql: `select coalesce(k.key, h.key) as key, k.held, h.n from concurrency_keys k full join (
        select concurrency_key as key, count(*)::int4 as n from tasks
        where concurrency_key is not null and (status = 'processing' or (status = 'queued' and not parked)) group by 1) h on h.key = k.key
      where coalesce(k.held, 0) <> coalesce(h.n, 0)`,
  },
  {
    name: 'throttled_tasks_are_remembered',
    promise: 'where tasks wait for a token, their bucket says when to look again',
    sql: `select t.uuid, t.rate_key from tasks t left join rate_buckets b on b.name = t.rate_key
      where t.status = 'queued' and t.throttled and b.ready_at is null`,
  },
  {
    name: 'rate_limits_replayed',
    promise: 'in no span of time did more instances start than their bucket holds and tokens came in it, since the bucket has its shape',
    sql: `with starts as (
        select t.rate_key as name, (extract(epoch from i.created_at) * 1000000)::int8 as at_us from instances i join tasks t on t.uuid = i.task_id
        where t.rate_key is not null
        union all select 'queue:' || g.queue, (extract(epoch from i.created_at) * 1000000)::int8 from grants g join instances i on i.runid = g.runid),
      n as (
        select b.name, b.burst, b.interval_us, s.at_us, (row_number() over w)::float8 - s.at_us::float8 / b.interval_us as lead
        from starts s join rate_buckets b on b.name = s.name and s.at_us >= b.shaped_us window w as (partition by b.name order by s.at_us)),
      r as (select *, lead - min(lead) over (partition by name order by at_us rows unbounded preceding) + 1 as most from n)
      select name, burst, max(most) as most from r where most > burst + 1 + 2000.0 / interval_us group by name, burst`,
  },
  {
    name: 'history_is_gapless',
    promise: 'each recorded change of a task starts where the one before ended, and the last one is its state',
    sql: `select task_id, id, from_status, expected from (
        select task_id, id, from_status, lag(to_status) over (partition by task_id order by id) as expected from task_history where subject = 'task') h
      where from_status is distinct from expected`,
  },
  {
    name: 'logs_are_gapless',
    promise: 'the log lines of an instance are numbered from 1 without gaps',
    sql: `select runid, count(*)::int4 as lines, max(seq) as last from instance_logs group by runid having count(*) <> max(seq) or min(seq) <> 1`,
  },
  {
    name: 'quota_within_limit',
    promise: 'nobody has used more than their quota',
    sql: `select username, used_quota, quota from users where used_quota > quota`,
  },
  {
    name: 'quota_ledger_adds_up',
    promise:
      'a task with a cost is reserved while it is open, and committed or refunded once at its end; a user has used what is not refunded',
    sql: `select t.uuid::text as subject, t.status, l.kind from tasks t left join lateral (
        select kind from quota_ledger where task_id = t.uuid order by round desc, id desc limit 1) l on true
      where t.quota_cost > 0 and (l.kind is null or l.kind = case when t.status in ('completed', 'failed', 'cancelled') then 'reserve' else 'refund' end)
      union all select u.username, u.used_quota::text, l.used::text from users u, lateral (
        select coalesce(sum(case kind when 'reserve' then amount when 'refund' then -amount end), 0) as used from quota_ledger where user_id = u.id) l
      where u.used_quota < l.used`,
  },
  {
    name: 'scenes_add_up',
    promise:
      'a video counts as completed scenes those that have a completed row, as long as it has its files, and renders only while it runs',
    sql: `select t.uuid, t.status, t.total_scenes, t.completed_scenes, v.done from tasks t, lateral (
        select count(*) filter (where status = 'completed')::int4 as done, count(*) filter (where status = 'rendering')::int4 as open
        from videos where task_id = t.uuid) v
      where t.type = 'video' and (t.completed_scenes <> v.done or (v.open > 0 and t.status <> 'processing'))
        and (t.status <> 'completed' or t.final_video_path is not null)`,
  },
  {
    name: 'dependencies_are_settled',
    promise: 'a task counts its open dependencies, waits while it has some, and none is open on a task that is final',
    sql: `select t.uuid, t.status, t.waits_for, d.open, d.stale from tasks t, lateral (
        select count(*)::int4 as open, count(*) filter (where u.status in ('completed', 'failed', 'cancelled'))::int4 as stale
        from task_dependencies e join tasks u on u.uuid = e.upstream_id where e.task_id = t.uuid and e.state = 'open') d
      where t.waits_for <> d.open or d.stale > 0 or (d.open > 0 and t.status in ('queued', 'processing'))`,
  },
  {
    name: 'held_tasks_wait',
    promise: 'a task on hold is not queued, and one that is pending for a hold is held',
    sql: `select uuid, status, pending_reason, held_at from tasks
      where (held_at is not null and status = 'queued') or (pending_reason = 'hold' and held_at is null)`,
  },
  {
    name: 'submission_is_audited',
    promise: 'every task has its audit row',
    sql: `select t.uuid from tasks t where not exists (
        select 1 from audit_log a where a.subject_type = 'task' and a.subject_id = t.uuid::text and a.action = 'task.submit')`,
  },
] as const;

/** Evaluates every invariant in one consistent snapshot. */
export async function checkInvariants(em: Em): Promise<InvariantResult[]> {
  return await em.transactional(
    async (tx) => {
      const results: InvariantResult[] = [];
      for (const { name, promise, sql } of [...INVARIANTS, ...SLA_INVARIANTS]) {
        results.push({ name, promise, violations: await query(tx as Em, `select * from (${sql}) offenders limit 20`) });
      }
      return results;
    },
    { isolationLevel: 'repeatable read' as never, readOnly: true },
  );
}
