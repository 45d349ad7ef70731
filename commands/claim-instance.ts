import type { RetryPolicy } from '../core/retry.ts';
import { type Em, query } from '../entities/sql.ts';

/** Which execution of an activity asks for which instance. `execution` is Temporal's activity attempt and becomes the lease epoch. */
export type ClaimRequest = { runid: string; execution: number; worker: string; boot_id: string; temporal_run_id: string };

/** An instance that now belongs to the caller, with what its engine needs. `output_lines`: stdout and stderr lines stored or cut so far. */
export type Claim = {
  runid: string;
  task_id: string;
  attempt: number;
  template: string;
  engine: string;
  parameters: Record<string, unknown>;
  timeout: number;
  cpu: number;
  memory_mb: number;
  user_id: number;
  username: string;
  previous_status: 'starting' | 'running';
  cancel_requested: boolean;
  policy: RetryPolicy;
  retries_used: number;
  at_most_once: boolean;
  next_seq: number;
  output_lines: number;
  log_lines_cut: number;
  /** Seconds since the first execution began. */
  age_s: number;
};

/**
 * Takes an instance over by compare-and-set: only a higher execution number wins, so a delayed earlier one can never take it back.
 * The task's row is locked before the instance's, as everywhere.
 * @returns null when the instance is final, runs elsewhere, or a later execution owns it
 */
export async function claimInstance(em: Em, request: ClaimRequest): Promise<Claim | null> {
  const { runid, execution, worker, boot_id, temporal_run_id } = request;
  const rows = await query<Claim>(em, CLAIM, [runid, execution, worker, boot_id, temporal_run_id]);
  return rows[0] ?? null;
}

const CLAIM = `
with locked as (
  select t.uuid from tasks t join instances i on i.task_id = t.uuid where i.runid = $1 for no key update of t),
i as (
  update instances set status = 'running', lease_epoch = $2, boot_id = $4, temporal_run_id = $5, heartbeat_at = clock_timestamp(),
    start_time = coalesce(start_time, clock_timestamp())
  from locked
  where runid = $1 and task_id = locked.uuid and worker = $3 and status in ('starting', 'running') and lease_epoch < $2
  returning instances.*, old.status as previous_status),
t as (
  update tasks set started_at = coalesce(started_at, clock_timestamp()) from i where uuid = i.task_id returning tasks.*),
h as (
  insert into task_history (task_id, runid, subject, from_status, to_status, reason, actor)
  select task_id, runid, 'instance', previous_status, 'running', case when previous_status = 'running' then 'execution ' || $2::text end, 'worker:' || $3
  from i)
select i.runid, i.task_id, i.attempt, t.template, t.type as engine, t.parameters, i.timeout, i.cpu::float8 as cpu, i.memory_mb,
  t.user_id::int4 as user_id, u.username, i.previous_status, i.cancel_requested_at is not null as cancel_requested, t.retry_policy as policy,
  t.retries_used, t.at_most_once, l.next_seq, l.output_lines + i.log_lines_cut as output_lines, i.log_lines_cut,
  extract(epoch from clock_timestamp() - i.start_time)::float8 as age_s
from i join t on t.uuid = i.task_id join users u on u.id = t.user_id,
  lateral (select coalesce(max(seq), 0) + 1 as next_seq, count(*) filter (where stream <> 'system')::int4 as output_lines
           from instance_logs where runid = i.runid) l`;
