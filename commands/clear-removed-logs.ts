import { folderOf } from '../engines/flames/log-files.ts';
import { type Em, query } from '../entities/sql.ts';
import { deleteTaskLogs } from '../entities/task-flames-log.queries.ts';
import type { Places } from './flames-sources.ts';

/**
 * Removes what may be left of a run whose rows are marked as removed: rows, and copies among the artifacts. May be broken off anywhere and done again.
 * @returns rows removed
 */
export async function clearRemovedLogs(em: Em, { artifacts }: Pick<Places, 'artifacts'>, task_id: string): Promise<number> {
  const removed = await deleteTaskLogs(em, task_id);
  await artifacts.removeAll(folderOf(task_id));
  await query(em, `update task_flames set has_files = false where task_id = $1 and logs = 'removed'`, [task_id]);
  return removed;
}
