import { type Em, query } from '../entities/sql.ts';
import type { CancelWish } from '../schemas/task.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask, refuseFinal } from './lock-task.ts';
import { type Stop, stopInstance } from './stop-instance.ts';
import { writeAudit } from './write-audit.ts';

/** A wish, and what becomes of an instance that no worker has begun. */
export type Cancellation = CancelWish & Pick<Stop, 'unclaimed'>;

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
    if (row.status === 'processing') await stopInstance(em, ctx, { uuid, reason, grace_s, unclaimed, as: null });
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
