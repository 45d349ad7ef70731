import type { Amount, Candidate, PoolState, QueueState, Running, Snapshot, WorkerState } from '../core/admission-state.ts';
import { queueBucket } from '../core/concurrency.ts';
import { endsOf } from '../core/run-time.ts';
import { type BucketShape, bucketShape, type RateLimit } from '../core/token-bucket.ts';
import { type Em, query, relaxedCommit } from '../entities/sql.ts';
import { type LoadedBuckets, loadBuckets } from './rate-buckets.ts';

/** Queues, pools, workers and the buckets of queues as they are at `now`. `missing`: buckets that are to be made first. */
export type RoomRows = Pick<Snapshot, 'now' | 'queues' | 'pools' | 'workers'> & LoadedBuckets;

/** Whether rows are locked against other dispatchers while the decision is made, or only looked at. */
type Mode = { lock: boolean };

/**
 * One statement: each part waits for the one before, so that rows are locked in order; a row that somebody changed meanwhile is read as it is then. What comes
 * first is handed on as an array, because a row that is looked at again must not look at the others again.
 */
const room = ({ lock, also }: { lock: string; also: string }): string => `
with q as materialized (
  select name, pool, status, capacity, current_load, priority, step_s, policy, reserve_after_s, strict_priority, fairness, rate_limit
  from queues where name = any($1) order by name ${lock}),
p as materialized (
  select name, status, ((total_cpu + extra_cpu) * 1000)::int4 as total_cpu, (total_memory + extra_memory)::float8 as total_memory,
    (used_cpu * 1000)::int4 as used_cpu, used_memory::float8 as used_memory
  from pools where name = any(array(select pool from q)) order by name ${lock}),
w as materialized (
  select id, pool, (total_cpu * 1000)::int4 as total_cpu, total_memory::float8 as total_memory,
    (used_cpu * 1000)::int4 as used_cpu, used_memory::float8 as used_memory, engines
  from workers where pool = any(array(select name from p)) and status = 'active' and heartbeat_at > now() - make_interval(secs => $2) order by id ${lock})
select coalesce((select json_agg(w) from w), '[]') as workers, coalesce((select json_agg(p) from p), '[]') as pools,
  coalesce((select json_agg(q) from q), '[]') as queues, extract(epoch from clock_timestamp())::float8 * 1000 as now${also}`;

const LOOK = room({ lock: '', also: '' });
const LOCK = room({ lock: 'for no key update', also: `, ${relaxedCommit()}` });

type Resources = { total_cpu: number; total_memory: number; used_cpu: number; used_memory: number };

type Found = {
  now: number;
  queues: QueueRow[];
  pools: (Resources & Pick<PoolState, 'name' | 'status'>)[];
  workers: (Resources & Pick<WorkerState, 'id' | 'pool' | 'engines'>)[];
};

const amounts = (row: Resources) => ({
  total: { cpu_milli: row.total_cpu, memory_mb: row.total_memory },
  used: { cpu_milli: row.used_cpu, memory_mb: row.used_memory },
});

/**
 * The state of the named queues, their pools and live workers. With `lock`, rows are locked in the one order that everybody keeps
 * (queues, pools, workers, each by name), with FOR NO KEY UPDATE, since a plain FOR UPDATE would hold up submits through their foreign keys. The
 * commit of what is admitted under these locks does not wait for the disk: the claim of what must not run twice does, and takes it along.
 */
export async function loadRoom(em: Em, queues: readonly string[], options: Mode & { lost_after_s: number }): Promise<RoomRows> {
  const [found] = await query<Found>(em, options.lock ? LOCK : LOOK, [queues, options.lost_after_s]);
  const { now, queues: queueRows, pools: poolRows, workers: workerRows } = found as Found;
  return {
    now,
    queues: queueRows.map(({ rate_limit, ...queue }) => ({ ...queue, bucket: rate_limit ? queueBucket(queue.name) : null })),
    ...(await loadBuckets(em, queueRows.flatMap(shapeOfQueue), { lock: options.lock, now })),
    pools: poolRows.map((row) => ({ name: row.name, status: row.status, ...amounts(row) })),
    workers: workerRows.map((row) => ({ id: row.id, pool: row.pool, engines: row.engines, ...amounts(row) })),
  };
}

type QueueRow = Omit<QueueState, 'bucket'> & { rate_limit: Omit<RateLimit, 'key'> | null };

const shapeOfQueue = ({ name, rate_limit }: QueueRow): BucketShape[] =>
  rate_limit ? [bucketShape(queueBucket(name), rate_limit, null)] : [];

/**
 * Queues in which a task waits, by a skip scan: the cost depends on the number of queues, not of tasks. None where all of them are full or on hold: they are looked at again
 * when that changes, and need not be locked for that. Where one is open, the others count too, for what they say about turns. `dirty_keys`: concurrency keys have to be
 * settled before anything is chosen. `token_in_ms`: when the first bucket is to be looked at for which tasks wait; null: none.
 */
export async function waitingQueues(em: Em): Promise<{ queues: string[]; dirty_keys: boolean; token_in_ms: number | null }> {
  const rows = await query<{ queue: string | null; token_in_ms: number | null }>(
    em,
    `with recursive q as (
       (select queue from tasks where status = 'queued' order by queue limit 1)
       union all
       select n.queue from q, lateral (select queue from tasks where status = 'queued' and queue > q.queue order by queue limit 1) n)
     select queue, null::float8 as token_in_ms from q
     where exists (select 1 from q o join queues on queues.name = o.queue where queues.status <> 'hold' and queues.current_load < queues.capacity)
     union all select null, null from (select key from concurrency_keys where dirty order by key limit 1) dirty
     union all select null, extract(epoch from ready_at - clock_timestamp())::float8 * 1000 from (
       select ready_at from rate_buckets where ready_at is not null order by ready_at limit 1) token`,
  );
  const others = rows.filter(({ queue }) => queue === null);
  return {
    queues: rows.flatMap(({ queue }) => (queue === null ? [] : [queue])),
    dirty_keys: others.some(({ token_in_ms }) => token_in_ms === null),
    token_in_ms: others.find(({ token_in_ms }) => token_in_ms !== null)?.token_in_ms ?? null,
  };
}

/** A task as `CANDIDATE` reads it. */
export type CandidateRow = Omit<Candidate, 'amount' | 'engine' | 'key'> & {
  type: string;
  cpu_milli: number;
  memory_mb: number;
  version: number;
  rate_limit: RateLimit | null;
};

/** A task as the core wants it, and what its bucket is made from. */
export type Waiting = Candidate & { shape: BucketShape | null };

/** The columns of a task that `CANDIDATE` reads. */
export const COLUMNS =
  't.uuid, t.queue, t.need, t.type, t.cpu, t.memory_mb, t.timeout, t.template, t.vtime, t.eligible_at, t.user_id, t.rate_key, t.template_version_id, t.batchable';

/** What a candidate is made of; `t` is the task, to which `RUN_TIMES` is joined. */
export const CANDIDATE = `t.uuid, t.queue, t.need, t.type, (t.cpu * 1000)::int4 as cpu_milli, t.memory_mb, t.timeout as timeout_s,
  extract(epoch from t.vtime)::float8 * 1000 as vtime, extract(epoch from t.eligible_at)::float8 * 1000 as eligible_at,
  t.batchable, r.p90_s, t.user_id::int4 as "user", t.rate_key as bucket, t.template_version_id::float8 as version,
  case when t.rate_key is not null then (select v.rate_limit from template_versions v where v.id = t.template_version_id) end as rate_limit`;
export const RUN_TIMES = 'left join template_runtimes r on r.template = t.template';

/** A row of `CANDIDATE` as the core wants it; parked tasks never come this way, so the key is said to be open. */
export const candidateOf = ({ type, cpu_milli, memory_mb, ...row }: CandidateRow): Waiting => ({
  uuid: row.uuid,
  user: row.user,
  queue: row.queue,
  need: row.need,
  engine: type,
  amount: { cpu_milli, memory_mb },
  vtime: row.vtime,
  eligible_at: row.eligible_at,
  timeout_s: row.timeout_s,
  p90_s: row.p90_s,
  batchable: row.batchable ?? false,
  key: null,
  bucket: row.bucket,
  shape: row.bucket !== null && row.rate_limit ? bucketShape(row.bucket, row.rate_limit, row.version) : null,
});

/** A queue that is looked at, and the most that a task may need to have a chance in its pool. */
export type Line = { queue: string; pool: string; gap: Amount };

/** As JSON, whose length the planner never looks at: of arrays it hopes that a plan for just these would be cheaper, and plans at each call. */
const LINES = 'jsonb_to_recordset($1::jsonb) as l(queue text, pool text, cpu float8, memory float8)';
const linesJson = (lines: readonly Line[]): string =>
  JSON.stringify(lines.map(({ queue, pool, gap }) => ({ queue, pool, cpu: gap.cpu_milli / 1000, memory: gap.memory_mb })));

/** Whether a task of the line `l` needs no more than the gap; ordered, so that it is looked up by size, where the first look tells that nothing fits. */
const FITS = (more: string): string => `(
  select true from tasks t where t.status = 'queued' and not t.parked and not t.throttled and t.queue = l.queue and t.cpu <= l.cpu::numeric
    and t.memory_mb <= l.memory::int8 ${more} order by t.cpu, t.memory_mb, t.need limit 1) is not null`;

/** The depth is part of the text: one plan for any number of rows would have to be a careful one, so each call would be planned anew. */
export const firstInLineOf = (depth: number): string => `
with l as materialized (select * from ${LINES}),
open as materialized (select distinct l.pool from l where ${FITS('')})
select ${CANDIDATE} from open join l on l.pool = open.pool, lateral (
  select ${COLUMNS} from tasks t where t.status = 'queued' and not t.parked and not t.throttled and t.queue = l.queue order by t.vtime, t.uuid limit ${depth}) t ${RUN_TIMES}`;

/** The first tasks of each queue, of those pools in which any waiting task could fit at all: what nearly all passes read. */
export async function firstInLine(em: Em, lines: readonly Line[], depth: number): Promise<Waiting[]> {
  return (await query<CandidateRow>(em, firstInLineOf(depth), [linesJson(lines)])).map(candidateOf);
}

const FITS_BEHIND = `select 1 from (select l.*, b.vtime, b.uuid from ${LINES}
  join unnest($2::text[], $3::float8[], $4::uuid[]) as b(queue, vtime, uuid) on b.queue = l.queue) l
where ${FITS('and (t.vtime, t.uuid) > (to_timestamp(l.vtime / 1000)::timestamptz(3), l.uuid)')} limit 1`;

/** Whether behind the last task that was read of each line there is one that needs no more than the gap. */
export async function fitsBehind(
  em: Em,
  lines: readonly Line[],
  last: readonly Pick<Candidate, 'queue' | 'vtime' | 'uuid'>[],
): Promise<boolean> {
  const places = [last.map(({ queue }) => queue), last.map(({ vtime }) => vtime), last.map(({ uuid }) => uuid)];
  return (await query(em, FITS_BEHIND, [linesJson(lines), ...places])).length > 0;
}

/** All tasks of one queue with the same need. */
export type Group = { queue: string; need: string; amount: Amount };

const NEXT_HEAD = (where: string): string =>
  `lateral (select ${COLUMNS} from tasks t where t.status = 'queued' and not t.parked and not t.throttled and ${where} order by t.cpu, t.memory_mb, t.need, t.vtime, t.uuid limit 1) t`;

/** With so few groups it costs next to nothing to see whether there is more in them, and saves a look. */
const FEW_GROUPS = 16;

/**
 * The first task of every group in the queues `$1`, by a skip scan, for passes to which the first tasks of each queue tell too little: never a row limit before
 * feasibility, so what does not fit cannot hide what does. One descent of the index finds the next group and its head. Nothing is locked here: the statement
 * that admits locks what was chosen and looks again.
 */
export const HEADS_OF_GROUPS = `
with recursive line as (select unnest($1::text[]) as queue),
head as (
  select t.* from line, ${NEXT_HEAD('t.queue = line.queue')}
  union all
  select t.* from head, ${NEXT_HEAD('t.queue = head.queue and (t.cpu, t.memory_mb, t.need) > (head.cpu, head.memory_mb, head.need)')})
select ${CANDIDATE}, case when count(*) over () <= ${FEW_GROUPS} then coalesce((
  select true from tasks m where m.status = 'queued' and not m.parked and not m.throttled and m.queue = t.queue and m.cpu = t.cpu and m.memory_mb = t.memory_mb
    and m.need = t.need and (m.vtime, m.uuid) > (t.vtime, t.uuid)
  order by m.vtime, m.uuid limit 1), false) end as more
from head t ${RUN_TIMES}`;

/** The first task of every group in the queues. `alone`: the groups that surely have no other. */
export async function headsOfGroups(em: Em, queues: readonly string[]): Promise<{ heads: Waiting[]; alone: Waiting[] }> {
  const rows = await query<CandidateRow & { more: boolean | null }>(em, HEADS_OF_GROUPS, [queues]);
  const heads = rows.map(({ more: _, ...row }) => candidateOf(row));
  return { heads, alone: heads.filter((_, n) => rows[n]?.more === false) };
}

const HEADS = `
with need as (select * from unnest($1::text[], $2::text[], $4::float8[], $5::int4[]) as need(queue, need, cpu, memory))
select ${CANDIDATE} from need, lateral (
  select ${COLUMNS} from tasks t where t.status = 'queued' and not t.parked and not t.throttled and t.queue = need.queue and t.cpu = need.cpu::numeric and t.memory_mb = need.memory
    and t.need = need.need
  order by t.vtime, t.uuid limit $3) t ${RUN_TIMES}`;

/** The first `depth` tasks of some groups. */
export async function headsOf(em: Em, groups: readonly Group[], depth: number): Promise<Waiting[]> {
  const column = <T>(pick: (group: Group) => T): T[] => groups.map(pick);
  const rows = await query<CandidateRow>(em, HEADS, [
    column(({ queue }) => queue),
    column(({ need }) => need),
    depth,
    column(({ amount }) => amount.cpu_milli / 1000),
    column(({ amount }) => amount.memory_mb),
  ]);
  return rows.map(candidateOf);
}

const AHEAD = `tasks t ${RUN_TIMES} where t.queue = $1 and t.status = 'queued' and t.uuid <> $3 and ($4::int8 is null or t.user_id = $4)
  and (t.vtime, t.uuid) < (to_timestamp($2::float8 / 1000)::timestamptz(3), $3::uuid)`;

/** How many tasks of its queue (of a fair one: those of its user) precede a task, and the first of them that are not parked, as far as there are no more than `most`. */
export async function tasksAhead(
  em: Em,
  { queue, vtime, uuid, user, fair }: Pick<Candidate, 'queue' | 'vtime' | 'uuid' | 'user'> & { fair: boolean },
  most: number,
): Promise<{ count: number; first: Waiting[] }> {
  const place = [queue, vtime, uuid, fair ? user : null];
  const counted = await query<{ n: number }>(em, `select count(*)::int4 as n from ${AHEAD}`, place);
  const count = counted[0]?.n ?? 0;
  if (count === 0 || count > most) return { count, first: [] };
  const rows = await query<CandidateRow>(em, `select ${CANDIDATE} from ${AHEAD} and not t.parked order by t.vtime, t.uuid`, place);
  return { count, first: rows.map(candidateOf) };
}

type RunningRow = Omit<Running, 'amount' | 'expected_end' | 'hard_end'> & {
  task_id: string;
  user_id: number;
  cpu_milli: number;
  memory_mb: number;
  start: number;
  timeout_s: number;
  p90_s: number | null;
};

/** What runs in some pools and when it is expected to end, with the task and user of each. */
export async function loadRunning(
  em: Em,
  pools: readonly string[],
  now: number,
): Promise<(Running & { task_id: string; user_id: number })[]> {
  const rows = await query<RunningRow>(
    em,
    `select g.runid, g.queue, g.pool, g.worker, (g.cpu * 1000)::int4 as cpu_milli, g.memory_mb, i.task_id, t.user_id::int4 as user_id,
       t.concurrency_key as key, extract(epoch from coalesce(i.start_time, i.created_at))::float8 * 1000 as start, i.timeout as timeout_s,
       (select r.p90_s from template_runtimes r where r.template = t.template) as p90_s
     from grants g join instances i on i.runid = g.runid join tasks t on t.uuid = i.task_id
     where g.released_at is null and g.pool = any($1) order by g.runid`,
    [pools],
  );
  return rows.map(({ cpu_milli, memory_mb, start, timeout_s, p90_s, ...row }) => ({
    ...row,
    amount: { cpu_milli, memory_mb },
    ...endsOf({ start, timeout_s, p90_s }, now),
  }));
}
