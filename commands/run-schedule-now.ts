import { wallAt, wallText } from '../core/zones.ts';
import type { Engines } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import type { Task } from '../schemas/task.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockOwnSchedule } from './schedule-row.ts';
import { submissionOf } from './submit-occurrence.ts';
import { submitTasks } from './submit-tasks.ts';

/** The submitted task, and sentences about why it may wait. */
export type RunNow = { task: Task; warnings: string[] };

/**
 * Submits what a schedule would submit, now, in the name and with the rights of whoever asks. It is no nominal fire and has no row in the
 * ledger, but counts among the schedule's tasks that are not final.
 * @throws EngineError not_found, and as `submitTasks`
 */
export async function runScheduleNow(ctx: CommandContext, id: string, engines: Engines): Promise<RunNow> {
  return await audited(ctx, { action: 'schedule.run_now', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await lockOwnSchedule(em, ctx, id);
    const item = submissionOf(row, { at: row.now, local: wallText(wallAt(row.timezone, row.now)) });
    const { tasks, warnings } = await submitTasks({ ...ctx, em }, { items: [item], idempotency: null }, engines);
    const task = tasks[0] as Task;
    await query(em, 'update tasks set source_id = $2 where uuid = $1', [task.uuid, id]);
    return { before: null, after: { task: task.uuid }, result: { task, warnings } };
  });
}
