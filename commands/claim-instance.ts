import type { RetryPolicy } from '../core/retry.ts';
import { type Em, query, relaxedCommit } from '../entities/sql.ts';
import type { Actor } from './context.ts';

/** Which execution of an activity asks for which instance. `execution` is Temporal's activity attempt and becomes the lease epoch. */
export type ClaimRequest = { runid: string; execution: number; worker: string; boot_id: string; temporal_run_id: string };

/** An instance that now belongs to the caller, with what its engine needs. `output_lines`: stdout and stderr lines stored or cut so far. */
export type Claim = {
  runid: string;
  task_id: string;
  attempt: number;
  queue: string;
  template: string;
  engine: string;
  parameters: Record<string, unknown>;
  timeout: number;
  cpu: number;
  memory_mb: number;
  user_id: number;
  username: string;
  /** Role and rights of the task's user now, not when it was submitted; an inactive user has none. */
  owner: Pick<Actor, 'role' | 'rights'>;
  previous_status: 'starting' | 'running';
  cancel_requested: boolean;
  policy: RetryPolicy;
  retries_used: number;
  at_most_once: boolean;
  /** Its task takes of its user's quota. */
  charged: boolean;
  next_seq: number;
  output_lines: number;
  log_lines_cut: number;
  /** Seconds since the first execution began. */
  age_s: number;
};

/** Which instances this process takes over, each with its execution number. */
export type ClaimItem = Pick<ClaimRequest, 'runid' | 'execution' | 'temporal_run_id'>;

/**
 * Takes instances over by compare-and-set, in one statement: only a higher execution number wins, so a delayed earlier one can never take it
 * back. The tasks' rows are locked before the instances', as everywhere. Only what must not run twice waits for the disk.
 * @returns those that now belong to the caller; the others are final, run elsewhere, or a later execution owns them
 */
export async function claimInstances(
  em: Em,
  items: readonly ClaimItem[],
  owner: Pick<ClaimRequest, 'worker' | 'boot_id'>,
): Promise<Claim[]> {
  const column = <T>(pick: (item: ClaimItem) => T): T[] => items.map(pick);
  return await query<Claim>(em, CLAIM, [
    column((item) => item.runid),
    column((item) => item.execution),
    column((item) => item.temporal_run_id),
    owner.worker,
    owner.boot_id,
  ]);
}

/** One instance; null when it is not the caller's. */
export async function claimInstance(em: Em, { worker, boot_id, ...item }: ClaimRequest): Promise<Claim | null> {
  const [claim] = await claimInstances(em, [item], { worker, boot_id });
  return claim ?? null;
}

const CLAIM = `
with c as (select * from unnest($1::uuid[], $2::int4[], $3::text[]) as c(runid, execution, temporal_run_id)),
locked as (
  select c.* from c join instances i on i.runid = c.runid join tasks t on t.uuid = i.task_id
  order by t.uuid for no key update of t),
owned as (
  select locked.* from locked join instances i on i.runid = locked.runid order by i.runid for no key update of i),
i as (
  update instances set status = 'running', lease_epoch = owned.execution, boot_id = $5, temporal_run_id = owned.temporal_run_id,
    heartbeat_at = clock_timestamp(), start_time = coalesce(start_time, clock_timestamp())
  from owned
  where instances.runid = owned.runid and worker = $4 and status || '' in ('starting', 'running') and lease_epoch < owned.execution
  returning instances.runid, instances.task_id, instances.attempt, instances.timeout, instances.cpu, instances.memory_mb, instances.lease_epoch,
    instances.cancel_requested_at, instances.log_lines_cut, instances.start_time, old.status as previous_status),
t as (
  update tasks set started_at = coalesce(tasks.started_at, clock_timestamp()) from i where uuid = i.task_id
  returning tasks.queue, tasks.template, tasks.type, tasks.parameters, tasks.user_id, tasks.retry_policy, tasks.retries_used, tasks.at_most_once, tasks.quota_cost, i.*),
h as (
  insert into task_history (task_id, runid, subject, from_status, to_status, reason, actor)
  select task_id, runid, 'instance', previous_status, 'running', case when previous_status = 'running' then 'execution ' || lease_epoch end,
    'worker:' || $4
  from i),
disk as (select ${relaxedCommit('bool_or(at_most_once)')} from t)
select t.runid, t.task_id, t.attempt, t.queue, t.template, t.type as engine, t.parameters, t.timeout, t.cpu::float8 as cpu, t.memory_mb,
  t.user_id::int4 as user_id, u.username, t.previous_status,
  case when u.is_active then jsonb_build_object('role', u.role, 'rights', u.rights) else '{"role": "user", "rights": []}' end as owner,
  t.cancel_requested_at is not null as cancel_requested, t.retry_policy as policy,
  t.retries_used, t.at_most_once, t.quota_cost > 0 as charged, l.next_seq, l.output_lines + t.log_lines_cut as output_lines, t.log_lines_cut,
  extract(epoch from clock_timestamp() - t.start_time)::float8 as age_s
from t join users u on u.id = t.user_id, disk,
  lateral (select coalesce(max(seq), 0) + 1 as next_seq, count(*) filter (where stream <> 'system')::int4 as output_lines
           from instance_logs where instance_logs.runid = t.runid) l`;
