import { createInterface } from 'node:readline';
import type { ArtifactStore } from '../../artifacts/artifact-store.ts';
import { type LogEntry, mergeEntries, readEntry } from '../../core/flames/log-entry.ts';
import type { Em } from '../../entities/sql.ts';
import { readTaskLogs, type StoredLog } from '../../entities/task-flames-log.queries.ts';
import { isAway } from './faults.ts';

/** Everything of one run among the artifacts. */
export const folderOf = (task_id: string): string => `flames/${task_id}/`;

/** The whole log of a run that has ended, in order, one JSON object in each line. */
const copyOf = (task_id: string): string => `${folderOf(task_id)}logs.ndjson`;

/** Which execution of which instance wrote a part: executions of one instance may overlap for a moment. */
export type PartName = { task_id: string; attempt: number; execution: number; n: number };
const partKey = ({ task_id, ...numbers }: PartName): string => {
  const name = [numbers.attempt, numbers.execution, numbers.n].map((number) => String(number).padStart(7, '0')).join('-');
  return `${folderOf(task_id)}part-${name}.ndjson`;
};

const lineOf = (entry: LogEntry): string => `${JSON.stringify(entry)}\n`;

/** Stores rows as a part of a run's log, whole or not at all. */
export async function writePart(artifacts: ArtifactStore, part: PartName, entries: readonly LogEntry[]): Promise<void> {
  await artifacts.put(partKey(part), entries.map(lineOf).join(''));
}

async function keysOf(artifacts: ArtifactStore, task_id: string): Promise<{ copy: string | null; parts: string[] }> {
  const keys: string[] = [];
  for await (const { key } of artifacts.list(folderOf(task_id))) if (key.endsWith('.ndjson')) keys.push(key);
  return { copy: keys.find((key) => key === copyOf(task_id)) ?? null, parts: keys.filter((key) => key !== copyOf(task_id)).sort() };
}

/** Whether there are rows of a run among the artifacts. */
export async function hasFiles(artifacts: ArtifactStore, task_id: string): Promise<boolean> {
  const { copy, parts } = await keysOf(artifacts, task_id);
  return copy !== null || parts.length > 0;
}

/** Rows of one file, in the order they were written; a line that was torn is left out. */
async function* entriesIn(artifacts: ArtifactStore, key: string): AsyncGenerator<LogEntry> {
  const lines = createInterface({ input: await artifacts.open(key), crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      const entry = readEntry(line);
      if (entry) yield entry;
    }
  } finally {
    lines.close();
  }
}

/**
 * The rows of a run as its files have them, in order, each prompt and epoch once. The copy of a run that has ended is streamed; parts of one under way are
 * put together in memory.
 */
export async function* readFiles(artifacts: ArtifactStore, task_id: string): AsyncGenerator<LogEntry> {
  const { copy, parts } = await keysOf(artifacts, task_id);
  if (copy !== null && parts.length === 0) {
    yield* entriesIn(artifacts, copy);
    return;
  }
  const all: LogEntry[] = [];
  for (const key of [...(copy === null ? [] : [copy]), ...parts]) for await (const entry of entriesIn(artifacts, key)) all.push(entry);
  yield* mergeEntries(all);
}

/** Rows of a page that are read at once, at most. */
const PAGE = 200;

const BATCH = 200;

/**
 * The rows of a run as its files have them, in batches for the table, which puts them together by itself: nothing but a batch is kept. Within a batch each
 * prompt and epoch stands once.
 */
export async function* filedBatches(artifacts: ArtifactStore, task_id: string): AsyncGenerator<LogEntry[]> {
  const { copy, parts } = await keysOf(artifacts, task_id);
  let batch: LogEntry[] = [];
  for (const key of [...(copy === null ? [] : [copy]), ...parts]) {
    for await (const entry of entriesIn(artifacts, key)) {
      if (batch.push(entry) < BATCH) continue;
      yield mergeEntries(batch);
      batch = [];
    }
  }
  if (batch.length > 0) yield mergeEntries(batch);
}

/** `score_set` null: with the run's own scores; `dimension` null: of all. */
export type RowSelection = { task_id: string; score_set: number | null; dimension: string | null };

/** The rows of a run in the table, in order, a page at a time. */
export async function* readRows(em: Em, selection: RowSelection): AsyncGenerator<StoredLog[]> {
  let after = { seq: 0, epoch: 0 };
  for (;;) {
    const rows = await readTaskLogs(em, { ...selection, after, limit: PAGE });
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (!last) return;
    after = { seq: last.prompt_seq, epoch: last.epoch };
  }
}

const ownRows = (em: Em, task_id: string) => readRows(em, { task_id, score_set: null, dimension: null });

/** The rows of a run whose table does not hold them all, or cannot be read: what it gives and what files have, put together. */
export async function readEverywhere(em: Em, artifacts: ArtifactStore, task_id: string): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  for await (const entry of readFiles(artifacts, task_id)) all.push(entry);
  try {
    for await (const rows of ownRows(em, task_id)) all.push(...rows);
  } catch (cause) {
    if (isAway(cause)) throw cause;
  }
  return mergeEntries(all);
}

async function* copiedLines(em: Em, task_id: string): AsyncGenerator<string> {
  for await (const rows of ownRows(em, task_id))
    yield rows.map(({ id: _id, scorer: _scorer, created_at: _at, ...entry }) => lineOf(entry)).join('');
}

/** Writes the copy of a run whose rows are all in the table, and removes its parts. */
export async function writeCopy(em: Em, artifacts: ArtifactStore, task_id: string): Promise<void> {
  const { parts } = await keysOf(artifacts, task_id);
  await artifacts.put(copyOf(task_id), copiedLines(em, task_id));
  for (const key of parts) await artifacts.remove(key);
}
