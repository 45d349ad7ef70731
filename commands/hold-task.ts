import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask, refuseFinal } from './lock-task.ts';
import { placeWaiting } from './place-waiting.ts';
import { writeAudit } from './write-audit.ts';

/**
 * Holds a task: nothing of it starts until it is released. A running instance goes on, but is not followed by another. Holding twice is harmless.
 * @throws EngineError not_found (also for others' tasks), conflict: it is final
 */
export const holdTask = async (ctx: CommandContext, uuid: string): Promise<void> => await setHold(ctx, uuid, true);

/**
 * Takes the hold away: the task goes to what else it waits for, or into its queue, with the place that it had by time.
 * @throws EngineError not_found (also for others' tasks), conflict: it is final
 */
export const releaseTask = async (ctx: CommandContext, uuid: string): Promise<void> => await setHold(ctx, uuid, false);

async function setHold(ctx: CommandContext, uuid: string, held: boolean): Promise<void> {
  const verb = held ? 'hold' : 'release';
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const task = await lockTask(em, ctx, uuid);
    refuseFinal(task, held ? 'held' : 'released');
    if (task.held === held) return;
    await query(em, `update tasks set held_at = case when $2 then clock_timestamp() end where uuid = $1`, [uuid, held]);
    await placeWaiting(em, { uuid, why: verb, actor: actorName(ctx.actor) });
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: `task.${verb}`,
      subject_type: 'task',
      subject_id: uuid,
      before: { status: task.status, held: task.held },
      after: { held },
    });
  });
}
