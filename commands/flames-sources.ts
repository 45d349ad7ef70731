import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { LogEntry } from '../core/flames/log-entry.ts';
import { readOldLogs } from '../core/flames/old-logs.ts';
import { isAway } from '../engines/flames/faults.ts';
import { hasFiles, readEverywhere, readFiles, readRows } from '../engines/flames/log-files.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Run } from '../entities/task-flames.queries.ts';
import { hasOldFiles, readOldFolder } from './old-log-folder.ts';

/** Where rows of runs may be besides the table: artifacts, and the folder with logs from before there was one. */
export type Places = { artifacts: ArtifactStore; old_dir: string };

/**
 * Where the rows of a run are read from: the table, files (of ours: `files`, of old: `old_files`), the old `result`, or nowhere any more, where the figures that
 * were kept have to do.
 */
export type Source = 'database' | 'files' | 'old_files' | 'result' | 'summary';

/** The source as the API names it. */
export const shownSource = (source: Source): 'database' | 'files' | 'result' | 'summary' => (source === 'old_files' ? 'files' : source);

type Found = 'some' | 'none' | 'unreadable';

async function lookInTable(em: Em, task_id: string): Promise<Found> {
  try {
    return (await query(em, 'select 1 from task_flames_logs where task_id = $1 limit 1', [task_id])).length > 0 ? 'some' : 'none';
  } catch (cause) {
    if (isAway(cause)) throw cause;
    return 'unreadable';
  }
}

/** Finds out where to read: the table first, then what there is instead. A table that cannot be read, while the database answers, counts as empty. */
export async function sourceOf(em: Em, places: Places, run: Run): Promise<Source> {
  if (run.logs === 'removed') return 'summary';
  if (run.logs === 'result' && run.result?.logs !== undefined) return 'result';
  const table = await lookInTable(em, run.task_id);
  if (table === 'some' && run.logs === 'database') return 'database';
  return (await besideTable(places, run)) ?? (table === 'unreadable' ? 'summary' : 'database');
}

async function besideTable({ artifacts, old_dir }: Places, run: Run): Promise<Source | null> {
  if (await hasFiles(artifacts, run.task_id)) return 'files';
  if (await hasOldFiles(old_dir, run.task_id)) return 'old_files';
  return run.result?.logs === undefined ? null : 'result';
}

/** `score_set` null: the run's own scores, which are all that files have; `dimension` null: of all. */
export type Selection = { run: Run; source: Source; score_set: number | null; dimension: string | null };

/** A row as it is shown; from the table it has its time and scorer too. */
export type ShownLog = LogEntry & { scorer?: string | null; created_at?: string };

/** The rows of a run in order, in batches, from where they are. */
export async function* readLogs(em: Em, places: Places, { run, source, score_set, dimension }: Selection): AsyncGenerator<ShownLog[]> {
  if (source === 'summary') return;
  if (source === 'database') {
    yield* readRows(em, { task_id: run.task_id, score_set, dimension });
    return;
  }
  for await (const batch of batched(elsewhere(em, places, { run, source }))) {
    const chosen = batch.filter((entry) => dimension === null || entry.dimension === dimension);
    if (chosen.length > 0) yield chosen;
  }
}

async function* elsewhere(
  em: Em,
  { artifacts, old_dir }: Places,
  { run, source }: Pick<Selection, 'run' | 'source'>,
): AsyncGenerator<LogEntry> {
  if (source === 'result') yield* readOldLogs(run.result?.logs).entries;
  else if (source === 'old_files') yield* (await readOldFolder(old_dir, run.task_id)).entries;
  else if (run.logs === 'files') yield* await readEverywhere(em, artifacts, run.task_id);
  else yield* readFiles(artifacts, run.task_id);
}

const BATCH = 64;

async function* batched<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
