import { EngineError } from '../core/errors.ts';
import { ended } from '../core/outcome.ts';
import { isFinalTask, type TaskStatus } from '../core/states.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { finishInstances } from './finish-instances.ts';
import { writeAudit } from './write-audit.ts';

type Row = { status: TaskStatus; runid: string | null; instance_status: string | null };

/**
 * Cancels a task. Waiting ones are cancelled at once, as are those whose instance no worker has claimed; running ones are asked to stop, which
 * their worker learns within a second. Asking twice is harmless.
 * @param reason shown as `status_reason`; null: `cancelled`
 * @throws EngineError not_found (also for others' tasks), conflict: completed or failed already
 */
export async function cancelTask(ctx: CommandContext, uuid: string, reason: string | null): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const row = await lockTask(em, ctx, uuid);
    if (row.status === 'cancelled') return;
    if (isFinalTask(row.status)) throw new EngineError('conflict', `task ${uuid}: cannot be cancelled, it is ${row.status} already`);
    if (row.status === 'processing') await stopInstance(em, { ctx, uuid, reason, row });
    else await cancelWaiting(em, { ctx, uuid, reason, from: row.status });
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.cancel',
      subject_type: 'task',
      subject_id: uuid,
      before: { status: row.status },
      after: { cancel_requested: true, reason },
    });
  });
}

async function lockTask(em: Em, ctx: CommandContext, uuid: string): Promise<Row> {
  const rows = await query<Row>(
    em,
    `select t.status, i.runid, i.status as instance_status
     from tasks t left join instances i on i.task_id = t.uuid and i.status in ('starting', 'running')
     where t.uuid = $1 and ($2 or t.user_id = $3) for no key update of t`,
    [uuid, seesAll(ctx.actor), ctx.actor.id],
  );
  if (!rows[0]) throw new EngineError('not_found', `task ${uuid}: there is none`);
  return rows[0];
}

type Stop = { ctx: CommandContext; uuid: string; reason: string | null; row: Row };

async function stopInstance(em: Em, { ctx, uuid, reason }: Stop): Promise<void> {
  await query(
    em,
    `update tasks set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_reason = $2 where uuid = $1`,
    [uuid, reason],
  );
  const rows = await query<{ runid: string; status: string }>(
    em,
    `update instances set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
     where task_id = $1 and status in ('starting', 'running') returning runid, status`,
    [uuid],
  );
  const unclaimed = rows.filter((row) => row.status === 'starting');
  const outcome = ended('cancelled', { code: 'cancelled', message: 'cancelled before a worker took it' });
  await finishInstances(
    em,
    unclaimed.map(({ runid }) => ({ runid, lease_epoch: null, outcome })),
    actorName(ctx.actor),
  );
}

type Waiting = { ctx: CommandContext; uuid: string; reason: string | null; from: string };

async function cancelWaiting(em: Em, { ctx, uuid, reason, from }: Waiting): Promise<void> {
  await query(
    em,
    `with t as (
       update tasks set status = 'cancelled', pending_reason = null, status_reason = coalesce($2, 'cancelled'), cancel_reason = $2,
         cancel_requested_at = clock_timestamp(), completed_at = clock_timestamp()
       where uuid = $1 returning uuid, user_id, quota_cost),
     u as (
       update users set used_quota = greatest(0, used_quota - t.quota_cost) from t where users.id = t.user_id and t.quota_cost > 0)
     insert into task_history (task_id, subject, from_status, to_status, reason, actor)
     select uuid, 'task', $3, 'cancelled', $2, $4 from t`,
    [uuid, reason, from, actorName(ctx.actor)],
  );
}
