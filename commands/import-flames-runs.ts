import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { findRun, type Run } from '../entities/task-flames.queries.ts';
import type { ImportedRun, ImportRequest, OldRun } from '../schemas/flames.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import type { Places } from './flames-sources.ts';
import { mendFlamesRun } from './mend-flames-run.ts';
import { listOldFolders } from './old-log-folder.ts';

/**
 * Takes in an evaluation from before there were tasks, as it was stored then. Its logs may stay inside its result, or in old files, and are read from there.
 * @throws EngineError conflict: there is a run of this id
 */
export async function registerOldRun(ctx: CommandContext, run: OldRun): Promise<Run> {
  const deed = { action: 'flames_run.register', subject_type: 'flames_run', subject_id: run.task_id };
  return await audited(ctx, deed, async (em) => {
    const rows = await query(
      em,
      `insert into task_flames (task_id, user_id, name, model, status, submit_time, end_time, result)
       values ($1, $2, $3, $4, $5, coalesce($6::timestamptz, $7::timestamptz, now()), $7::timestamptz, $8::jsonb) on conflict do nothing returning 1`,
      [run.task_id, ctx.actor.id, run.name, run.model, run.status, run.submit_time, run.end_time, run.result && JSON.stringify(run.result)],
    );
    if (rows.length === 0) throw new EngineError('conflict', `run ${run.task_id}: there is one already`);
    const stored = (await findRun(em, run.task_id, { user_id: null })) as Run;
    const { result: _result, params: _params, ...shown } = stored;
    return { before: null, after: shown, result: stored };
  });
}

/**
 * Brings the rows of one run into the table, now.
 * @throws EngineError see `mendFlamesRun`
 */
export async function importFlamesRun(ctx: CommandContext, places: Places, task_id: string): Promise<ImportedRun> {
  const imported = await mendFlamesRun(() => ctx.em.fork() as Em, places, task_id);
  const deed = { action: 'flames_run.import', subject_type: 'flames_run', subject_id: task_id };
  return await audited(ctx, deed, async () => ({ before: null, after: imported, result: imported }));
}

/** Runs with rows that are not in the table: inside their result, in files, or in old files under their id ($1). */
const REQUEST = `
update task_flames set repair_at = coalesce(repair_at, clock_timestamp()), repair_tries = 0
where status not in ('pending', 'running', 'scoring') and (logs in ('result', 'files') or task_id = any($1::text[])
  and logs = 'database' and not exists (select 1 from task_flames_logs l where l.task_id = task_flames.task_id))`;

/** Asks for all old runs to be brought into the table, those too of which there is only a folder. Done in the background, one run at a time. */
export async function requestFlamesImport(ctx: CommandContext, places: Places): Promise<ImportRequest> {
  const folders = await listOldFolders(places.old_dir);
  const ids = folders.map(({ task_id }) => task_id);
  const deed = { action: 'flames_run.import_all', subject_type: 'flames_run', subject_id: '*' };
  return await audited(ctx, deed, async (em) => {
    const made = await query(
      em,
      `insert into task_flames (task_id, name, status, submit_time, end_time)
       select f.id, f.id, 'completed', f.at, f.at from unnest($1::text[], $2::timestamptz[]) as f(id, at) on conflict do nothing returning 1`,
      [ids, folders.map(({ modified_at }) => modified_at.toISOString())],
    );
    const requested = await query(em, `${REQUEST} returning 1`, [ids]);
    const answer = { found: made.length, requested: requested.length };
    return { before: null, after: answer, result: answer };
  });
}
