import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../core/errors.ts';
import { type OldLogs, parseOldFile, readOldLogs } from '../core/flames/old-logs.ts';
import { dimensionNamed } from '../core/flames/scores.ts';

/** Old files were written whole by one process; a larger one is something else. */
const MOST_BYTES = 268_435_456;
const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const FILE = /\.jsonl?$/i;

/** Entries of a folder; none where there is no such folder. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
    throw new EngineError('unavailable', 'the folder of old logs cannot be read', { cause });
  }
}

/** Regular files only: a link could lead out of the folder. */
async function filesOf(root: string, task_id: string): Promise<string[]> {
  const folder = path.join(root, task_id, 'logs');
  const entries = (await entriesOf(folder)).filter((entry) => entry.isFile() && FILE.test(entry.name));
  return entries.map(({ name }) => path.join(folder, name)).sort();
}

/** Whether there are old files of a run: `<root>/<task_id>/logs/*.json`. */
export async function hasOldFiles(root: string, task_id: string): Promise<boolean> {
  return RUN_ID.test(task_id) && (await filesOf(root, task_id)).length > 0;
}

/** Ids of all runs that have old files, with the time of the last change. */
export async function listOldFolders(root: string): Promise<{ task_id: string; modified_at: Date }[]> {
  const found: { task_id: string; modified_at: Date }[] = [];
  for (const entry of await entriesOf(root)) {
    if (!entry.isDirectory() || !RUN_ID.test(entry.name)) continue;
    const times = await Promise.all((await filesOf(root, entry.name)).map(async (file) => (await stat(file)).mtimeMs));
    if (times.length > 0) found.push({ task_id: entry.name, modified_at: new Date(Math.max(...times)) });
  }
  return found;
}

/**
 * The rows in the old files of a run, file by file. A file that is named after a dimension gives it to rows that do not say theirs.
 * @throws EngineError unavailable: the folder cannot be read; invalid_input: a file is no JSON
 */
export async function readOldFolder(root: string, task_id: string): Promise<OldLogs> {
  const all: OldLogs = { entries: [], unreadable: 0 };
  for (const file of await filesOf(root, task_id)) {
    const { entries, unreadable } = await readFileLogs(file, all.entries.length + 1);
    all.entries.push(...entries);
    all.unreadable += unreadable;
  }
  return all;
}

async function readFileLogs(file: string, first: number): Promise<OldLogs> {
  const name = path.basename(file);
  if ((await stat(file)).size > MOST_BYTES)
    throw new EngineError('invalid_input', `old log file "${name}": larger than ${MOST_BYTES} bytes`);
  const value = parseOldFile(await readFile(file, 'utf8'));
  if (value === null) throw new EngineError('invalid_input', `old log file "${name}": expected JSON, or JSON in each line`);
  return readOldLogs(value, dimensionNamed(name.replace(FILE, '')), first);
}
