import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { cancelTask } from './cancel-task.ts';
import type { CommandContext } from './context.ts';

/**
 * Cancels several tasks in the caller's transaction, or asks them to stop; those that have ended are left alone. All rows are locked beforehand, in the order that
 * everybody keeps. An instance that no worker has begun is left to the worker, which ends it at once: ending it here would lock its queue after what comes
 * later in that order.
 */
export async function cancelTasks(ctx: CommandContext, uuids: readonly string[], reason: string): Promise<void> {
  await query(ctx.em as Em, 'select lock_to_cancel($1::uuid[])', [uuids]);
  for (const uuid of uuids) {
    await cancelTask(ctx, uuid, { reason, grace_s: null, unclaimed: 'leave' }).catch((error: unknown) => {
      if (!(error instanceof EngineError)) throw error;
    });
  }
}
