import { folderOf } from '../engines/flames/log-files.ts';
import { type Em, query } from '../entities/sql.ts';
import { deleteTaskLogs } from '../entities/task-flames-log.queries.ts';
import type { Places } from './flames-sources.ts';

/** The run, if its rows are still to go: a retry makes it pending again and waits here. */
const HOLD = `select 1 from task_flames where task_id = $1 and logs = 'removed' and status not in ('pending', 'running', 'scoring') for no key update`;

/**
 * Removes what may be left of a run whose rows are marked as removed: rows, and copies among the artifacts. May be broken off anywhere and done again.
 * A run that was begun again meanwhile keeps what it stores: its row is locked until this is done.
 * @returns rows removed
 */
export async function clearRemovedLogs(em: Em, { artifacts }: Pick<Places, 'artifacts'>, task_id: string): Promise<number> {
  return await em.transactional(async (tx) => {
    const held = await query(tx as Em, HOLD, [task_id]);
    if (held.length === 0) return 0;
    const removed = await deleteTaskLogs(tx as Em, task_id);
    await artifacts.removeAll(folderOf(task_id));
    await query(tx as Em, `update task_flames set has_files = false where task_id = $1`, [task_id]);
    return removed;
  });
}
