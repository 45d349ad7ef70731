import { ended, type Outcome } from '../core/outcome.ts';
import { type Em, query } from '../entities/sql.ts';
import { type FinishItem, finishInstances } from './finish-instances.ts';

/**
 * Seconds after which work that was told to stop, and had its grace, is ended by force. A worker gives its engines half a minute, and stops its own
 * work within ¾ of `LOST_AFTER_S` when it cannot reach the database; so only work that is gone, or out of anybody's reach, is still there then.
 */
export const STOP_MARGIN_S = 60;

/** How long an instance may stay `starting` unless its task says otherwise, and how often in a row. */
const START_TIMEOUT_S = 300;
const MOST_START_TIMEOUTS = 3;

const BATCH = 200;

/**
 * Fails waiting tasks whose queue or total time-out is over. Decided by the database's time stamps, whenever somebody looks; rows under another
 * transaction's lock are left for the next look, and so is a batch to which somebody has just added a task that waits for one of it. Tasks that others
 * wait for are taken one at a time, so that the locks on those come in order.
 * @returns how many
 */
export async function endOverdueTasks(em: Em): Promise<number> {
  let total = (await query(em, END_TASKS, [null, BATCH])).length;
  for (const { uuid } of await query<{ uuid: string }>(em, AWAITED, [BATCH])) total += (await query(em, END_TASKS, [uuid, 1])).length;
  return total;
}

const AWAITED = `
select uuid from tasks where due_at <= clock_timestamp() and status in ('pending', 'queued')
  and exists (select 1 from task_dependencies d where d.upstream_id = tasks.uuid and d.state = 'open')
order by due_at limit $1`;

const END_TASKS = `
with due as (
  select uuid, status,
    case when waits_for = 0 and eligible_at + make_interval(secs => total_timeout_s) <= clock_timestamp() then 'total_timeout' else 'queue_timeout' end as code,
    case when waits_for = 0 and eligible_at + make_interval(secs => total_timeout_s) <= clock_timestamp()
      then 'not ended within ' || total_timeout_s || ' s of when it could first start'
      else 'still queued after ' || queue_timeout_s || ' s' end as message
  from tasks
  where due_at <= clock_timestamp() and status in ('pending', 'queued')
    and case when $1::uuid is not null then uuid = $1
      else not exists (select 1 from task_dependencies d where d.upstream_id = tasks.uuid and d.state = 'open') end
  order by due_at limit $2 for no key update skip locked),
line as materialized (select uuids, lock_line(uuids, true) as dependents from (select array_agg(uuid) as uuids from due) ended),
locked as materialized (select lock_costs(uuids || dependents) from line where dependents is not null),
t as (
  update tasks set status = 'failed', pending_reason = null, status_reason = due.code, completed_at = clock_timestamp(),
    error = jsonb_build_object('code', due.code, 'message', due.message)
  from due, locked where tasks.uuid = due.uuid returning tasks.uuid, due.status as before, due.code)
insert into task_history (task_id, subject, from_status, to_status, reason, actor)
select uuid, 'task', before, 'failed', code, 'dispatcher' from t returning task_id`;

/** An instance that was ended here; its workflow may still be open. */
export type EndedInstance = { runid: string; workflow_id: string; code: string };

type Overdue = EndedInstance & { lease_epoch: number | null; cancelled: boolean; start_timeouts: number; start_timeout_s: number };

/**
 * Ends instances that no worker has begun within their start time-out: free of charge, three times in a row, then their task fails with `no_worker`.
 * @param seen_s how long both servers have been in sight without a break; a time-out that is longer does not run out
 */
export async function endUnstarted(em: Em, seen_s: number): Promise<EndedInstance[]> {
  const rows = await query<Overdue>(em, UNSTARTED, [START_TIMEOUT_S, seen_s, BATCH]);
  const outcomeOf = ({ start_timeouts, start_timeout_s }: Overdue): Outcome => {
    const message = `no worker began it within ${start_timeout_s} s`;
    if (start_timeouts < MOST_START_TIMEOUTS) return ended('lost', { code: 'start_timeout', message });
    return ended('failed', { code: 'no_worker', message: `${message}, ${start_timeouts + 1} times in a row` });
  };
  return await finishAll(em, rows, outcomeOf);
}

/** Lease epoch 0: should a worker claim it at this very moment, it is left alone. */
const UNSTARTED = `
select i.runid, i.workflow_id, 0 as lease_epoch, t.start_timeouts, coalesce(t.start_timeout_s, $1) as start_timeout_s
from instances i join tasks t on t.uuid = i.task_id
where i.status = 'starting' and i.created_at + make_interval(secs => coalesce(t.start_timeout_s, $1)) <= clock_timestamp()
  and coalesce(t.start_timeout_s, $1) <= $2::float8
order by i.created_at limit $3`;

/** Ends instances that were told to stop long ago and are live all the same, whoever holds them. */
export async function endUnstoppable(em: Em): Promise<EndedInstance[]> {
  const rows = await query<Overdue>(em, UNSTOPPABLE, [BATCH]);
  const outcomeOf = ({ cancelled }: Overdue): Outcome => {
    if (cancelled) return ended('cancelled', { code: 'cancelled', message: 'cancelled by force', details: { forced: true } });
    return ended('timed_out', { code: 'total_timeout', message: 'the total time-out of the task was over', details: { forced: true } });
  };
  return await finishAll(em, rows, outcomeOf);
}

const UNSTOPPABLE = `
select runid, workflow_id, null::int4 as lease_epoch, cancel_requested_at is not null as cancelled
from instances where status in ('starting', 'running') and stop_by <= clock_timestamp() order by stop_by limit $1`;

async function finishAll(em: Em, rows: readonly Overdue[], outcomeOf: (row: Overdue) => Outcome): Promise<EndedInstance[]> {
  const outcomes = new Map(rows.map((row) => [row.runid, { row, outcome: outcomeOf(row) }]));
  const items: FinishItem[] = [...outcomes.values()].map(({ row, outcome }) => ({
    runid: row.runid,
    lease_epoch: row.lease_epoch,
    outcome,
  }));
  const finished = await finishInstances(em, items, 'dispatcher');
  return finished.flatMap(({ runid }) => {
    const known = outcomes.get(runid);
    return known ? [{ runid, workflow_id: known.row.workflow_id, code: known.outcome.code }] : [];
  });
}
