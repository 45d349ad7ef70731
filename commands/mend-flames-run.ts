import { EngineError } from '../core/errors.ts';
import { type OldLogs, readOldLogs } from '../core/flames/old-logs.ts';
import { figuresOfRun } from '../core/flames/report.ts';
import { filedBatches, writeCopy } from '../engines/flames/log-files.ts';
import { type Em, query } from '../entities/sql.ts';
import { findRun, type Run } from '../entities/task-flames.queries.ts';
import { insertTaskLogs, tallyLogs } from '../entities/task-flames-log.queries.ts';
import type { ImportedRun } from '../schemas/flames.ts';
import type { Places } from './flames-sources.ts';
import { readOldFolder } from './old-log-folder.ts';

const BATCH = 200;

/**
 * Puts a run in order that has ended: brings its rows into the table from wherever they are, computes its figures, and writes the copy of its rows. May be
 * broken off anywhere and done again. Rows that cannot be read stay where they are.
 * @throws EngineError not_found; conflict: the run has not ended; invalid_input: an old file cannot be read; whatever the table says
 */
export async function mendFlamesRun(fork: () => Em, places: Places, task_id: string): Promise<ImportedRun> {
  const run = await findRun(fork(), task_id, { user_id: null });
  if (!run) throw new EngineError('not_found', `run ${task_id}: there is none`);
  if (['pending', 'running', 'scoring'].includes(run.status))
    throw new EngineError('conflict', `run ${task_id} is ${run.status}: it has not ended`);
  if (run.logs === 'removed') throw new EngineError('conflict', `run ${task_id}: its rows were removed by age`);
  for await (const logs of filedBatches(places.artifacts, task_id)) await insertTaskLogs(fork(), task_id, { logs });
  const old = await oldLogs(places, run);
  if (old.entries.length > 0 && run.logs === 'database') await query(fork(), UNDER_WAY, [task_id]);
  for (let at = 0; at < old.entries.length; at += BATCH) await insertTaskLogs(fork(), task_id, { logs: old.entries.slice(at, at + BATCH) });
  const figures = figuresOfRun(await tallyLogs(fork(), task_id));
  const { n, errors, pending } = figures.overall;
  await query(fork(), SETTLE, [task_id, JSON.stringify(figures), old.unreadable > 0, n, n - pending, errors]);
  await writeCopy(fork(), places.artifacts, task_id).catch(() => undefined);
  return { task_id, rows: n, unreadable: old.unreadable, logs: 'database' };
}

/** Until all old rows are in the table, nobody shall take the first of them for the whole. */
const UNDER_WAY = `update task_flames set logs = 'files' where task_id = $1`;

/** Old logs leave the result, unless some of them could not be read: then they are kept beside it, under another name. */
const SETTLE = `
update task_flames set
  result = (case when $3 and result->'logs' is not null then jsonb_build_object('old_logs', result->'logs') else '{}'::jsonb end)
    || (coalesce(result, '{}') - 'logs') || $2::jsonb,
  logs = 'database', has_files = true, repair_at = null, repair_tries = 0, repair_error = null, total = greatest(total, $4), done = $5, failed = $6
where task_id = $1 and status not in ('pending', 'running', 'scoring')`;

async function oldLogs(places: Places, run: Run): Promise<OldLogs> {
  if (run.result?.logs !== undefined) return readOldLogs(run.result.logs);
  return await readOldFolder(places.old_dir, run.task_id);
}
