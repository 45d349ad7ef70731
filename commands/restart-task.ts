import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask } from './lock-task.ts';
import { stopInstance } from './stop-instance.ts';
import { writeAudit } from './write-audit.ts';

/**
 * Ends the running instance of a task and queues the task again for another one, free of its retry policy and with the place that it had by time.
 * @throws EngineError not_found (also for others' tasks), conflict: nothing of it runs, or it is being cancelled
 */
export async function restartTask(ctx: CommandContext, { uuid, reason }: { uuid: string; reason: string }): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const { status } = await lockTask(em, ctx, uuid);
    const [stopping] = await query(em, 'select 1 from tasks where uuid = $1 and cancel_requested_at is not null', [uuid]);
    if (status !== 'processing') throw new EngineError('conflict', `task ${uuid}: nothing of it runs, it is ${status}`);
    if (stopping) throw new EngineError('conflict', `task ${uuid}: it is being stopped already`);
    await stopInstance(em, ctx, { uuid, reason, grace_s: null, as: 'retry' });
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.restart',
      subject_type: 'task',
      subject_id: uuid,
      before: { status },
      after: { reason },
    });
  });
}
