import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { findSchedule, type PlainSchedule } from '../entities/schedule.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { fireLocked } from './fire-occurrence.ts';
import { lockOwnSchedule, storeProgress } from './schedule-row.ts';

/**
 * Pauses a schedule: nothing fires, and what waits for earlier tasks goes on waiting. What was due before is settled first. Asking twice is
 * harmless.
 * @param reason shown as `status_reason`
 * @throws EngineError not_found; conflict: it has ended
 */
export async function pauseSchedule(
  ctx: CommandContext,
  { id, reason }: { id: string; reason: string | null },
  engines: Engines,
): Promise<PlainSchedule> {
  return await audited(ctx, { action: 'schedule.pause', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await lockOwnSchedule(em, ctx, id);
    const before = await findSchedule(em, id, { user_id: null });
    if (row.status === 'active') await fireLocked(em, row, engines);
    const sql = `update schedules set status = 'paused', status_reason = $2, due_at = null, next_at = null, mirror_hash = null
      where id = $1 and status <> 'ended' returning id`;
    if ((await query(em, sql, [id, reason])).length === 0)
      throw new EngineError('conflict', `schedule ${id}: has ended, there is nothing to pause`);
    const schedule = (await findSchedule(em, id, { user_id: null })) as PlainSchedule;
    return { before, after: schedule, result: schedule };
  });
}

/**
 * Lets a paused schedule go on. What would have fired meanwhile is not made up for, unless `catch_up` asks for it: then its own catch-up rule
 * decides as after an outage. Asking twice is harmless.
 * @throws EngineError not_found; conflict: it has ended
 */
export async function resumeSchedule(ctx: CommandContext, id: string, catch_up: boolean): Promise<PlainSchedule> {
  return await audited(ctx, { action: 'schedule.resume', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await lockOwnSchedule(em, ctx, id);
    const before = await findSchedule(em, id, { user_id: null });
    if (row.status === 'ended') throw new EngineError('conflict', `schedule ${id}: has ended; change its rule, end or max_runs to go on`);
    if (row.status === 'paused') {
      const from = catch_up ? {} : { cursor_at: row.now, checked_at: row.now };
      await query(em, `update schedules set status = 'active', status_reason = null, mirror_hash = null where id = $1`, [id]);
      await storeProgress(em, { ...row, ...from, status: 'active' });
    }
    const schedule = (await findSchedule(em, id, { user_id: null })) as PlainSchedule;
    return { before, after: schedule, result: schedule };
  });
}
