import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { TaskChange } from '../schemas/task.ts';
import { checkBinding } from './check-sla-binding.ts';
import { actorName, type CommandContext } from './context.ts';
import { type LockedTask, lockTask, refuseFinal } from './lock-task.ts';
import { placeWaiting } from './place-waiting.ts';
import { refuseClosedQueue } from './refuse-closed-queue.ts';
import { writeAudit } from './write-audit.ts';

type Column = keyof TaskChange;

/** What may be changed while an instance is under way: it counts for what comes after. */
const ANY_TIME: ReadonlySet<string> = new Set<Column>(['tags', 'priority', 'deadline']);

/**
 * Changes a task: tags, priority and deadline until it is final, everything else while it waits. A move to another queue keeps its place by time; a later
 * start time makes it wait, an earlier one or none may queue it.
 * @throws EngineError not_found (also for others' tasks); conflict: final, or it does not wait; invalid_input, conflict, unsatisfiable, too_many: the
 * queue that it is moved to does not take it
 */
export async function changeTask(ctx: CommandContext, uuid: string, change: TaskChange): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const task = await lockTask(em, ctx, uuid);
    refuseFinal(task, 'changed');
    refuseUnderWay(task, change);
    if (change.queue !== undefined && change.queue !== task.queue) await refuseClosedQueue(em, task, change.queue);
    await checkBinding({ em, actor: ctx.actor }, { sla_id: change.sla_id, scope: 'task' });
    const before = await valuesOf(em, uuid, change);
    await query(em, CHANGE, [uuid, ...columns(change)]);
    await placeWaiting(em, { uuid, why: 'changed', actor: actorName(ctx.actor) });
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.change',
      subject_type: 'task',
      subject_id: uuid,
      before,
      after: await valuesOf(em, uuid, change),
    });
  });
}

function refuseUnderWay({ uuid, status }: LockedTask, change: TaskChange): void {
  if (status !== 'processing') return;
  const late = Object.keys(change).filter((column) => !ANY_TIME.has(column));
  if (late.length === 0) return;
  const errors = late.map((column) => ({ pointer: `/${column}`, detail: 'can be changed only while the task waits' }));
  throw new EngineError('conflict', `task ${uuid}: ${late.join(', ')} can be changed only while it waits, it is processing`, { errors });
}

async function valuesOf(em: Em, uuid: string, change: TaskChange): Promise<Record<string, unknown>> {
  const rows = await query<{ task: Record<string, unknown> }>(em, 'select to_jsonb(t) as task from tasks t where uuid = $1', [uuid]);
  return Object.fromEntries(Object.keys(change).map((column) => [column, rows[0]?.task[column]]));
}

const COLUMNS = [
  'priority',
  'queue',
  'timeout',
  'tags',
  'not_before',
  'queue_timeout_s',
  'start_timeout_s',
  'total_timeout_s',
  'deadline',
  'sla_id',
] as const;

/** For each column whether it changes, and its new value: null may mean "take it away". */
const columns = (change: TaskChange): unknown[] =>
  COLUMNS.flatMap((column) => {
    const value = change[column];
    return [value !== undefined, column === 'tags' && value !== undefined ? JSON.stringify(value) : (value ?? null)];
  });

/**
 * A first start time moves the instant from which waiting counts; once an instance has run, that instant stays (a retry keeps its seniority), as
 * it does for a task that waits for others (it is set when they have ended).
 */
const CHANGE = `
with c as (
  select t.uuid, case when $2 then $3::int4 else t.priority end as priority, case when $4 then $5::text else t.queue end as queue,
    case when $6 then $7::int4 else t.timeout end as timeout, case when $8 then $9::jsonb else t.tags end as tags,
    case when $10 then $11::timestamptz else t.not_before end as not_before,
    case when $12 then $13::int4 else t.queue_timeout_s end as queue_timeout_s,
    case when $14 then $15::int4 else t.start_timeout_s end as start_timeout_s,
    case when $16 then $17::int4 else t.total_timeout_s end as total_timeout_s,
    case when $18 then $19::timestamptz else t.deadline end as deadline,
    case when $20 then $21::int4 else t.sla_id end as sla_id,
    case when $10 and t.attempt = 0 then greatest(least(t.eligible_at, now()), $11::timestamptz) else t.eligible_at end as eligible_at
  from tasks t where t.uuid = $1)
update tasks set priority = c.priority, queue = c.queue, timeout = c.timeout, tags = c.tags, not_before = c.not_before,
  queue_timeout_s = c.queue_timeout_s, start_timeout_s = c.start_timeout_s, total_timeout_s = c.total_timeout_s, eligible_at = c.eligible_at,
  sla_id = c.sla_id, deadline = c.deadline, vtime = task_vtime(c.eligible_at, c.priority, q.step_s, c.deadline, c.timeout, tasks.template),
  need = split_part(tasks.need, '|user ', 1) || case when q.fairness = 'user' then '|user ' || tasks.user_id else '' end
from c join queues q on q.name = c.queue where tasks.uuid = c.uuid`;
