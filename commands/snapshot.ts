import type { Candidate, PoolState, QueueState, Snapshot, WorkerState } from '../core/admission.ts';
import { type Em, query } from '../entities/sql.ts';

/** Whether rows are locked against other dispatchers while the decision is made, or only looked at. */
type Mode = { lock: boolean };

const QUEUES = `select name, pool, status, capacity, current_load, priority, step_s from queues where name = any($1) order by name`;

const POOLS = `select name, status, (total_cpu * 1000)::int4 as total_cpu, total_memory::float8 as total_memory,
  (used_cpu * 1000)::int4 as used_cpu, used_memory::float8 as used_memory from pools where name = any($1) order by name`;

const WORKERS = `select id, pool, (total_cpu * 1000)::int4 as total_cpu, total_memory::float8 as total_memory,
  (used_cpu * 1000)::int4 as used_cpu, used_memory::float8 as used_memory, engines
  from workers where pool = any($1) and status = 'active' and heartbeat_at > now() - make_interval(secs => $2) order by id`;

type Resources = { total_cpu: number; total_memory: number; used_cpu: number; used_memory: number };

const amounts = (row: Resources) => ({
  total: { cpu_milli: row.total_cpu, memory_mb: row.total_memory },
  used: { cpu_milli: row.used_cpu, memory_mb: row.used_memory },
});

/**
 * The state of the named queues, their pools and live workers. With `lock`, rows are locked in the one order that everybody keeps
 * (queues, pools, workers, each by name), with FOR NO KEY UPDATE, since a plain FOR UPDATE would hold up submits through their foreign keys.
 */
export async function loadRoom(
  em: Em,
  queues: readonly string[],
  options: Mode & { lost_after_s: number },
): Promise<Omit<Snapshot, 'candidates'>> {
  const suffix = options.lock ? ' for no key update' : '';
  const queueRows = await query<QueueState>(em, QUEUES + suffix, [queues]);
  const names = [...new Set(queueRows.map((queue) => queue.pool))].sort();
  const poolRows = await query<Resources & Pick<PoolState, 'name' | 'status'>>(em, POOLS + suffix, [names]);
  const workerRows = await query<Resources & Pick<WorkerState, 'id' | 'pool' | 'engines'>>(em, WORKERS + suffix, [
    names,
    options.lost_after_s,
  ]);
  return {
    queues: queueRows,
    pools: poolRows.map((row) => ({ name: row.name, status: row.status, ...amounts(row) })),
    workers: workerRows.map((row) => ({ id: row.id, pool: row.pool, engines: row.engines, ...amounts(row) })),
  };
}

/** Queues in which a task waits, by a skip scan: the cost depends on the number of queues, not of tasks. */
export async function waitingQueues(em: Em): Promise<string[]> {
  const rows = await query<{ queue: string }>(
    em,
    `with recursive q as (
       (select queue from tasks where status = 'queued' order by queue limit 1)
       union all
       select n.queue from q, lateral (select queue from tasks where status = 'queued' and queue > q.queue order by queue limit 1) n)
     select queue from q`,
  );
  return rows.map((row) => row.queue);
}

type CandidateRow = { uuid: string; queue: string; need: string; type: string; cpu_milli: number; memory_mb: number; vtime: number };

/**
 * The heads of every group of equally needy tasks in the given queues, as many per group as the queue has room for: never a row limit before
 * feasibility, so no number of tasks that do not fit can hide one that does. Rows under another transaction's lock are skipped.
 * The order is by the column (`tasks.vtime`), not by the output of the same name: only so does the index give the heads without a sort.
 */
export async function lockCandidates(em: Em, room: { name: string; room: number }[]): Promise<Candidate[]> {
  const rows = await query<CandidateRow>(
    em,
    `with recursive room as (select * from unnest($1::text[], $2::int4[]) as room(queue, room)),
     need as (
       select room.queue, room.room, n.need from room,
         lateral (select need from tasks where status = 'queued' and queue = room.queue order by need limit 1) n
       union all
       select need.queue, need.room, n.need from need,
         lateral (select t.need from tasks t where t.status = 'queued' and t.queue = need.queue and t.need > need.need order by t.need limit 1) n)
     select c.* from need, lateral (
       select uuid, queue, need, type, (cpu * 1000)::int4 as cpu_milli, memory_mb, extract(epoch from vtime)::float8 * 1000 as vtime
       from tasks where status = 'queued' and queue = need.queue and need = need.need
       order by tasks.vtime, tasks.uuid limit need.room for no key update skip locked) c`,
    [room.map((r) => r.name), room.map((r) => r.room)],
  );
  return rows.map((row) => ({
    uuid: row.uuid,
    queue: row.queue,
    need: row.need,
    engine: row.type,
    amount: { cpu_milli: row.cpu_milli, memory_mb: row.memory_mb },
    vtime: row.vtime,
  }));
}
