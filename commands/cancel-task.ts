import { ended } from '../core/outcome.ts';
import { type Em, query } from '../entities/sql.ts';
import type { CancelWish } from '../schemas/task.ts';
import { actorName, type CommandContext } from './context.ts';
import { STOP_MARGIN_S } from './end-overdue.ts';
import { finishInstances } from './finish-instances.ts';
import { lockTask, refuseFinal } from './lock-task.ts';
import { writeAudit } from './write-audit.ts';

/** `unclaimed`: whether an instance that no worker has begun ends at once, or is left to the worker. */
export type Cancellation = CancelWish & { unclaimed?: 'end' | 'leave' };

/**
 * Cancels a task. Waiting ones are cancelled at once, as are those whose instance no worker has claimed; running ones are asked to stop, which
 * their worker learns within a second. Asking twice is harmless; a shorter grace counts. Work that is still there a minute after its grace is ended
 * by force, so that a cancellation is always bounded.
 * @param wish the reason alone means: as the engine likes
 * @throws EngineError not_found (also for others' tasks), conflict: completed or failed already
 */
export async function cancelTask(ctx: CommandContext, uuid: string, wish: Cancellation | string | null): Promise<void> {
  const { reason, grace_s, unclaimed }: Cancellation = typeof wish === 'object' && wish !== null ? wish : { reason: wish, grace_s: null };
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const row = await lockTask(em, ctx, uuid);
    if (row.status === 'cancelled') return;
    refuseFinal(row, 'cancelled');
    if (row.status === 'processing') await stopInstance(em, { ctx, uuid, reason, grace_s, unclaimed });
    else await cancelWaiting(em, { ctx, uuid, reason, from: row.status });
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.cancel',
      subject_type: 'task',
      subject_id: uuid,
      before: { status: row.status },
      after: { cancel_requested: true, reason, grace_s },
    });
  });
}

type Stop = Cancellation & { ctx: CommandContext; uuid: string };

async function stopInstance(em: Em, { ctx, uuid, reason, grace_s, unclaimed = 'end' }: Stop): Promise<void> {
  await query(
    em,
    `update tasks set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_reason = $2 where uuid = $1`,
    [uuid, reason],
  );
  const rows = await query<{ runid: string; status: string }>(
    em,
    `update instances set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_grace_s = least(cancel_grace_s, $2::int4),
       stop_by = least(stop_by, clock_timestamp() + make_interval(secs => coalesce($2::int4, 0) + ${STOP_MARGIN_S}))
     where task_id = $1 and status in ('starting', 'running') returning runid, status`,
    [uuid, grace_s],
  );
  if (unclaimed === 'leave') return;
  const starting = rows.filter((row) => row.status === 'starting');
  const outcome = ended('cancelled', { code: 'cancelled', message: 'cancelled before a worker took it' });
  await finishInstances(
    em,
    starting.map(({ runid }) => ({ runid, lease_epoch: null, outcome })),
    actorName(ctx.actor),
  );
}

type Waiting = { ctx: CommandContext; uuid: string; reason: string | null; from: string };

async function cancelWaiting(em: Em, { ctx, uuid, reason, from }: Waiting): Promise<void> {
  await query(
    em,
    `with line as materialized (select lock_costs($1::uuid || lock_line(array[$1::uuid], true))),
     t as (
       update tasks set status = 'cancelled', pending_reason = null, status_reason = coalesce($2, 'cancelled'), cancel_reason = $2,
         cancel_requested_at = clock_timestamp(), completed_at = clock_timestamp()
       from (select count(*) from line) locked where uuid = $1 returning uuid)
     insert into task_history (task_id, subject, from_status, to_status, reason, actor)
     select uuid, 'task', $3, 'cancelled', $2, $4 from t`,
    [uuid, reason, from, actorName(ctx.actor)],
  );
}
