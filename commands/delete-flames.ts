import { EngineError } from '../core/errors.ts';
import { folderOf } from '../engines/flames/log-files.ts';
import { findDataset } from '../entities/flames-dataset.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Scope } from '../entities/task.queries.ts';
import { findRun, type Run } from '../entities/task-flames.queries.ts';
import { deleteTaskLogs } from '../entities/task-flames-log.queries.ts';
import { audited } from './audited.ts';
import { clearRemovedLogs } from './clear-removed-logs.ts';
import { type CommandContext, seesAll } from './context.ts';
import type { Places } from './flames-sources.ts';
import { mendFlamesRun } from './mend-flames-run.ts';

const scopeOf = ({ actor }: CommandContext): Scope => ({ user_id: seesAll(actor) ? null : actor.id });

const OPEN_RUNS = `select task_id from task_flames where dataset_id = $1 and status in ('pending', 'running', 'scoring') limit 1`;

/**
 * Removes a dataset that one owns, or anybody's for operators. Runs over it keep their rows.
 * @throws EngineError not_found; forbidden: it is somebody else's, who shares it; conflict: a run over it has not ended
 */
export async function deleteFlamesDataset(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'flames_dataset.delete', subject_type: 'flames_dataset', subject_id: String(id) }, async (em) => {
    const dataset = await findDataset(em, id, scopeOf(ctx));
    if (!dataset) throw new EngineError('not_found', `dataset ${id}: there is none`);
    if (!seesAll(ctx.actor) && dataset.user !== ctx.actor.username)
      throw new EngineError('forbidden', `dataset ${id}: it belongs to "${dataset.user}"`);
    const open = await query<{ task_id: string }>(em, OPEN_RUNS, [id]);
    if (open[0]) throw new EngineError('conflict', `dataset ${id}: run ${open[0].task_id} has not ended`);
    await query(em, 'delete from flames_dataset where id = $1', [id]);
    return { before: dataset, after: null, result: undefined };
  });
}

/** @throws EngineError not_found; conflict: it has not ended */
async function endedRun(ctx: CommandContext, task_id: string): Promise<Run> {
  const run = await findRun(ctx.em, task_id, scopeOf(ctx));
  if (!run) throw new EngineError('not_found', `run ${task_id}: there is none`);
  if (['pending', 'running', 'scoring'].includes(run.status))
    throw new EngineError('conflict', `run ${task_id} is ${run.status}: cancel its task first`);
  return run;
}

/**
 * Removes the rows of a run that has ended, in the table and in files; its figures stay.
 * @returns rows removed
 * @throws EngineError not_found, conflict
 */
export async function deleteFlamesLogs(ctx: CommandContext, places: Places, task_id: string): Promise<number> {
  const run = await endedRun(ctx, task_id);
  if (run.logs !== 'removed') await mendFlamesRun(() => ctx.em.fork() as Em, places, task_id);
  await audited(ctx, { action: 'flames_run.delete_logs', subject_type: 'flames_run', subject_id: task_id }, async (em) => {
    const sql = `update task_flames set logs = 'removed', has_files = true, result = result - 'logs' - 'old_logs', repair_at = null where task_id = $1`;
    await query(em, sql, [task_id]);
    return { before: { logs: run.logs }, after: { logs: 'removed' }, result: undefined };
  });
  return await clearRemovedLogs(ctx.em, places, task_id);
}

/**
 * Removes a run that has ended, with its rows, score sets and files. Its task, if it still has one, stays.
 * @throws EngineError not_found, conflict
 */
export async function deleteFlamesRun(ctx: CommandContext, places: Places, task_id: string): Promise<void> {
  const run = await endedRun(ctx, task_id);
  await deleteTaskLogs(ctx.em, task_id);
  await audited(ctx, { action: 'flames_run.delete', subject_type: 'flames_run', subject_id: task_id }, async (em) => {
    await query(em, 'delete from task_flames where task_id = $1', [task_id]);
    const { result: _result, params: _params, ...shown } = run;
    return { before: shown, after: null, result: undefined };
  });
  await places.artifacts.removeAll(folderOf(task_id));
}
