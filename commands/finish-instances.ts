import type { Outcome } from '../core/outcome.ts';
import { MOST_LOSSES, type NextStep, nextStep, type RetryPolicy } from '../core/retry.ts';
import { type Em, query } from '../entities/sql.ts';

/**
 * One instance that has ended. `lease_epoch` null: whoever holds it (reconciler, cancel, fallback of a workflow). `log_tail`: the last 64 KB of its
 * output. `ended`: what the retry rules need, and whose counters its grant is in, when the caller knows it from its claim; otherwise it is read. `charged`: its end
 * may change a quota.
 */
export type FinishItem = {
  runid: string;
  lease_epoch: number | null;
  outcome: Outcome;
  log_tail?: string | null;
  ended?: { policy: RetryPolicy; retries_used: number; at_most_once: boolean; charged?: boolean; holder: string };
};

/** Instances of one holder are ended together. */
export const holderOf = ({ queue, worker }: { queue: string; worker: string }): string => `${queue} ${worker}`;

export type Finished = { runid: string; task_id: string; task_status: string };

/**
 * Makes instances final: state, result, grant, counters, the task's next state, quota and history together, so each grant is released exactly once.
 * Instances that are final already, or owned by another execution, are left alone. Every path to a final state goes here. One statement for each
 * queue and worker, and for each task that others wait for, so that no two calls can wait for each other's queues in a ring; in a transaction of one's own pass only one instance.
 * @param actor for the history: `worker:<id>`, `reconciler`, `user:<name>`
 * @returns those that this call finished
 */
export async function finishInstances(em: Em, items: readonly FinishItem[], actor: string): Promise<Finished[]> {
  if (items.length === 0) return [];
  const finished: Finished[] = [];
  for (const group of await groupByHolder(em, items)) finished.push(...(await finishGroup(em, group, actor)));
  return finished;
}

type Row = { item: FinishItem; next: NextStep };

/** Where somebody waits for one of several, that one goes apart. */
async function finishGroup(em: Em, rows: readonly Row[], actor: string): Promise<Finished[]> {
  const finished = await finishRows(em, rows, actor);
  if (!finished.some(({ task_id }) => task_id === null)) return finished;
  const known = await lookUp(
    em,
    rows.map(({ item }) => item),
  );
  const groups = [...Map.groupBy(rows, ({ item }) => known.get(item.runid)?.holder).values()];
  // Nobody was seen to wait any more, or not yet: then nothing is left but to end each by itself.
  const parts = groups.length > 1 ? groups : rows.map((row) => [row]);
  const each: Finished[] = [];
  for (const part of parts) each.push(...(await finishGroup(em, part, actor)));
  return each;
}

async function finishRows(em: Em, rows: readonly Row[], actor: string): Promise<Finished[]> {
  const column = <T>(pick: (row: Row) => T): T[] => rows.map(pick);
  return await query<Finished>(em, FINISH, [
    column(({ item }) => item.runid),
    column(({ item }) => item.lease_epoch),
    column(({ item }) => item.outcome.status),
    column(({ item }) => item.outcome.code),
    column(({ item }) => json(item.outcome.result)),
    column(({ item }) => json(item.outcome.error)),
    column(({ item }) => item.log_tail ?? null),
    column(({ next }) => nextStatus(next)),
    column(({ next }) => (next.task === 'retry' ? next.delay_s : 0)),
    column(({ next }) => (next.task === 'retry' && next.charged ? 1 : 0)),
    actor,
  ]);
}

const json = (value: unknown): string | null => (value === null || value === undefined ? null : JSON.stringify(value));

function nextStatus(next: NextStep): string {
  if (next.task !== 'retry') return next.task;
  return next.delay_s > 0 ? 'pending' : 'queued';
}

type Ended = NonNullable<FinishItem['ended']>;
type Known = Ended & { runid: string };

/**
 * Items with what becomes of their tasks, those of one queue and worker together; unknown ones are left out. Those for which others wait are each apart, where that is
 * looked up; where it is not, the statement says so and does nothing.
 */
async function groupByHolder(em: Em, items: readonly FinishItem[]): Promise<Iterable<Row[]>> {
  const rowOf = (item: FinishItem, ended: Ended): Row => ({ item, next: nextStep(item.outcome, { ...ended, random: Math.random() }) });
  const known = items.every(({ ended }) => ended && !ended.charged) ? null : await lookUp(em, items);
  const groups = new Map<string, Row[]>();
  for (const item of items) {
    const found = known ? known.get(item.runid) : item.ended;
    if (!found) continue;
    const group = groups.get(found.holder) ?? [];
    group.push(rowOf(item, item.ended ?? found));
    groups.set(found.holder, group);
  }
  return groups.values();
}

async function lookUp(em: Em, items: readonly FinishItem[]): Promise<Map<string, Known>> {
  const rows = await query<Known>(
    em,
    `select i.runid, t.retry_policy as policy, t.retries_used, t.at_most_once,
       case when exists (select 1 from task_dependencies d where d.upstream_id = t.uuid and d.state = 'open') then t.uuid::text
         else g.queue || ' ' || g.worker end as holder
     from instances i join tasks t on t.uuid = i.task_id join grants g on g.runid = i.runid where i.runid = any($1)`,
    [items.map((item) => item.runid)],
  );
  return new Map(rows.map((row) => [row.runid, row]));
}

/**
 * Locks in the order task, what waits for it, instance, queue, pool, worker, grant, user, key: each step reads the one before, which fixes the order inside the
 * statement. Tasks, instances, users and keys are locked by id; of queues, pools and workers there is one each. Those rows are many writers' and are not locked before their update: a
 * statement that comes twice upon a row which others wait for can deadlock with them. A grant follows its instance's lock. Its `release_seq` is the pool's
 * number, taken under the pool's lock. The place of a concurrency key is given back by a trigger when the task leaves `processing`, its quota by another.
 * Scenes of a video stay done when an instance ends, so the progress of such a task never falls. `|| ''` and `coalesce`
 * keep the planner from the partial indexes of live rows, which it would scan whole, dead entries included, instead of fetching by key. What is needed later is carried
 * along, never looked up in a step before: the planner expects one row of each, and would join hundreds of them in nested loops.
 */
const FINISH = `
with f as (
  select * from unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::text[], $8::text[], $9::float8[], $10::int4[])
    as f(runid, epoch, status, code, result, error, logs, next, delay_s, charged)),
locked as (
  select f.*, t.uuid, t.cancel_requested_at is not null as cancel, t.held_at is not null as held, t.stop_as, t.concurrency_key, t.quota_cost,
    t.losses, coalesce((t.retry_policy->>'max_losses')::int4, ${MOST_LOSSES}) as max_losses
  from f join instances i on i.runid = f.runid join tasks t on t.uuid = i.task_id
  order by t.uuid for no key update of t),
line as materialized (
  select lock_line(array_agg(uuid), bool_or(next <> 'completed')) as dependents from locked),
owned as (
  select locked.* from locked join instances i on i.runid = locked.runid join line on line.dependents is not null order by i.runid for no key update of i),
ui as (
  update instances set status = owned.status, end_time = clock_timestamp(), code = owned.code, result = owned.result, error = owned.error,
    logs = coalesce(owned.logs, instances.logs), progress = case when owned.status = 'completed' then 100 else instances.progress end
  from owned
  where instances.runid = owned.runid and instances.status || '' in ('starting', 'running') and (owned.epoch is null or instances.lease_epoch = owned.epoch)
  returning instances.runid, instances.task_id, old.status as previous, owned.status, owned.code, owned.result, owned.error, owned.delay_s, owned.charged, owned.next,
    instances.progress, owned.held, owned.cancel, owned.stop_as, owned.concurrency_key, owned.quota_cost, owned.max_losses,
    case when owned.status <> 'lost' then 0 when owned.code = 'worker_lost' and old.status = 'running' then owned.losses + 1 else owned.losses end as losses),
i as (
  select ui.*, killer.yes as killer, case
    when ui.stop_as = 'failed' and ui.next <> 'completed' then 'failed'
    when ui.stop_as = 'retry' and ui.next in ('cancelled', 'failed') and ui.code <> 'total_timeout' then case when ui.held then 'pending' else 'queued' end
    when ui.next in ('queued', 'pending') and ui.cancel and ui.stop_as is null then 'cancelled'
    when killer.yes then 'failed'
    when ui.next = 'queued' and ui.held then 'pending' else ui.next end as decided
  from ui, lateral (select ui.next = 'queued' and not ui.cancel and ui.status = 'lost' and ui.losses >= ui.max_losses as yes) killer),
lg as (
  select grants.runid, grants.queue, grants.pool, grants.worker, grants.cpu, grants.memory_mb, i.status
  from grants join i on i.runid = grants.runid where coalesce(grants.released_at, 'infinity') = 'infinity'),
uq as (
  update queues set current_load = current_load - n.n
  from (select queue, count(*)::int4 as n from lg group by queue) n where queues.name = n.queue
  returning queues.name),
up as (
  update pools set used_cpu = used_cpu - n.cpu, used_memory = used_memory - n.memory, seq = pools.seq + n.n
  from (select pool, count(*) as n, sum(cpu) as cpu, sum(memory_mb) as memory from lg group by pool) n, (select count(*) from uq) after_queues
  where pools.name = n.pool
  returning pools.name, pools.seq),
uw as (
  update workers set used_cpu = used_cpu - n.cpu, used_memory = used_memory - n.memory
  from (select worker, sum(cpu) as cpu, sum(memory_mb) as memory from lg group by worker) n, (select count(*) from up) after_pools
  where workers.id = n.worker
  returning workers.id),
g as (
  update grants set released_at = clock_timestamp(), release_reason = n.status, release_seq = n.seq
  from (
    select lg.runid, lg.status, up.seq + 1 - row_number() over (partition by lg.pool order by lg.runid) as seq
    from lg join up on up.name = lg.pool) n, (select count(*) from uw) after_workers
  where grants.runid = n.runid and coalesce(grants.released_at, 'infinity') = 'infinity'
  returning grants.runid),
lc as materialized (
  select lock_costs(array_agg(c.uuid)) from (
    select i.task_id as uuid from i where i.concurrency_key is not null or (i.quota_cost > 0 and i.decided in ('failed', 'cancelled'))
    union all select unnest(line.dependents) from line) c
  having (select count(*) from g) >= 0),
t as (
  update tasks set
    status = i.decided,
    pending_reason = case when i.decided = 'pending' then case when i.held then 'hold' else 'retry' end end,
    status_reason = case when i.decided = 'completed' then null when i.decided = 'cancelled' or tasks.stop_as = 'failed' then coalesce(tasks.cancel_reason, i.code)
      when i.killer then 'worker_killer' else i.code end,
    not_before = case when i.decided = 'pending' then clock_timestamp() + make_interval(secs => i.delay_s) else tasks.not_before end,
    queued_at = case when i.decided = 'queued' then clock_timestamp() else tasks.queued_at end,
    completed_at = case when i.decided in ('completed', 'failed', 'cancelled') then clock_timestamp() end,
    retries_used = tasks.retries_used + i.charged,
    cancel_requested_at = case when tasks.stop_as is null then tasks.cancel_requested_at end,
    stop_as = null,
    start_timeouts = case when i.code = 'start_timeout' then tasks.start_timeouts + 1 else 0 end,
    losses = i.losses,
    progress = case when tasks.total_scenes > 0 then greatest(tasks.progress, i.progress) else i.progress end,
    result = i.result,
    error = case when i.killer then jsonb_build_object('code', 'worker_killer', 'message', format('%s workers in a row were lost while they ran this task; it is not tried again by itself', i.losses))
      else i.error end
  from i, (select count(*) from lc) after_costs where tasks.uuid = i.task_id
  returning tasks.uuid, i.runid, i.decided, case when i.killer then 'worker_killer' else i.code end as reason),
h as (
  insert into task_history (task_id, runid, subject, from_status, to_status, reason, actor)
  select task_id, runid, 'instance', previous, status, code, $11 from i
  union all select uuid, null, 'task', 'processing', decided, reason, $11 from t)
select t.runid, t.uuid as task_id, t.decided as task_status from t
union all select null, null, 'none' from line where line.dependents is null`;
