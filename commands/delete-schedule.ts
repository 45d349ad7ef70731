import type { Engines } from '../engines/define-engine.ts';
import { findSchedule } from '../entities/schedule.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { fireLocked } from './fire-occurrence.ts';
import { lockOwnSchedule } from './schedule-row.ts';

/**
 * Deletes a schedule: it fires no more, what waits is dropped, its backfills end. Tasks that it submitted go on; its ledger is kept.
 * @throws EngineError not_found
 */
export async function deleteSchedule(ctx: CommandContext, id: string, engines: Engines): Promise<void> {
  await audited(ctx, { action: 'schedule.delete', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await lockOwnSchedule(em, ctx, id);
    const before = await findSchedule(em, id, { user_id: null });
    if (row.status === 'active') await fireLocked(em, row, engines);
    await query(
      em,
      `update occurrences set outcome = 'skipped_overlap', note = 'the schedule was deleted' where schedule_id = $1 and outcome = 'queued'`,
      [id],
    );
    await query(em, `update backfills set status = 'cancelled', completed_at = now() where schedule_id = $1 and status = 'running'`, [id]);
    await query(
      em,
      `update schedules set deleted_at = clock_timestamp(), due_at = null, next_at = null, mirror_hash = null where id = $1`,
      [id],
    );
    return { before, after: null, result: undefined };
  });
}
