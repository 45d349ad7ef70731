import { EngineError } from '../core/errors.ts';
import { findBackfill } from '../entities/schedule.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Backfill } from '../schemas/schedule.ts';
import { audited } from './audited.ts';
import { cancelTasks } from './cancel-tasks.ts';
import type { CommandContext } from './context.ts';
import { lockOwnSchedule } from './schedule-row.ts';

/** Which backfill of which schedule; `cancel_tasks`: also those of its tasks that are not final. */
export type BackfillCancel = { schedule_id: string; id: string; cancel_tasks: boolean };

export const noBackfill = (id: string): EngineError => new EngineError('not_found', `backfill ${id}: there is none`);

/**
 * Ends a backfill before its end. Fires that it has not come to stay as they are. Asking twice is harmless.
 * @throws EngineError not_found; conflict: it is complete
 */
export async function cancelBackfill(ctx: CommandContext, { schedule_id, id, cancel_tasks }: BackfillCancel): Promise<Backfill> {
  return await audited(ctx, { action: 'schedule.backfill_cancel', subject_type: 'schedule', subject_id: schedule_id }, async (em) => {
    await lockOwnSchedule(em, ctx, schedule_id);
    const before = await findBackfill(em, schedule_id, id);
    if (!before) throw noBackfill(id);
    if (before.status === 'completed') throw new EngineError('conflict', `backfill ${id}: is complete already`);
    await query(em, `update backfills set status = 'cancelled', completed_at = coalesce(completed_at, clock_timestamp()) where id = $1`, [
      id,
    ]);
    if (cancel_tasks) await cancelTasksOf({ ...ctx, em }, id);
    const backfill = (await findBackfill(em, schedule_id, id)) as Backfill;
    return { before, after: backfill, result: backfill };
  });
}

async function cancelTasksOf(ctx: CommandContext & { em: Em }, id: string): Promise<void> {
  const sql = `select uuid from tasks where source_id = $1 and status in ('pending', 'queued', 'processing') order by uuid`;
  const uuids = (await query<{ uuid: string }>(ctx.em, sql, [id])).map(({ uuid }) => uuid);
  await cancelTasks(ctx, uuids, 'its backfill was cancelled');
}
