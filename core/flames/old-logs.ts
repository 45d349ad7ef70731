import { readScore } from './judgement.ts';
import type { LogEntry } from './log-entry.ts';

/** Logs as they were before there was a table: a list of rows, or one list for each dimension; possibly under the key `logs`. */
type OldRow = Record<string, unknown>;

const isObject = (value: unknown): value is OldRow => typeof value === 'object' && value !== null && !Array.isArray(value);
const clean = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed();
const textOf = (value: unknown): string | null => (typeof value === 'string' ? clean(value) : null);
const firstText = (row: OldRow, names: readonly string[]): string | null =>
  names.map((name) => textOf(row[name])).find((text) => text !== null) ?? null;

const SCORES = ['predicted', 'score', 'label'];

/** One old row as an entry; null when it has no prompt or no dimension, so that it is none. A score that its dimension does not know is none. */
function entryOf(row: unknown, dimension: string | null, seq: number): LogEntry | null {
  if (!isObject(row)) return null;
  const name = firstText(row, ['dimension']) ?? dimension;
  const prompt = firstText(row, ['prompt', 'question']);
  if (name === null || name.trim() === '' || prompt === null) return null;
  const score = SCORES.map((field) => row[field]).find((value) => value !== undefined && value !== null);
  const { predicted, why } = score === undefined ? { predicted: null, why: 'no score was stored' } : readScore(score, name);
  return {
    prompt_seq: seq,
    epoch: 1,
    dimension: name.trim().slice(0, 100),
    subcomponent: firstText(row, ['subcomponent']),
    prompt,
    response: firstText(row, ['response', 'answer']),
    predicted,
    status: predicted === null ? 'unparsed' : 'ok',
    error: why,
    judgement: null,
    attempts: 1,
    latency_ms: null,
    prompt_tokens: null,
    completion_tokens: null,
    cached: false,
  };
}

type Placed = { row: unknown; dimension: string | null };
const isRow = (value: OldRow): boolean => typeof value.prompt === 'string' || typeof value.question === 'string';

/** Rows with the dimension that their place says, whatever form the old logs have. */
function rowsOf(value: unknown, dimension: string | null): Placed[] {
  if (Array.isArray(value)) return value.map((row: unknown) => ({ row, dimension }));
  if (!isObject(value)) return [];
  if (value.logs !== undefined) return rowsOf(value.logs, textOf(value.dimension) ?? dimension);
  if (isRow(value)) return [{ row: value, dimension }];
  return Object.entries(value).flatMap(([name, list]) => (Array.isArray(list) ? rowsOf(list, name) : []));
}

/** `unreadable`: rows that are none. */
export type OldLogs = { entries: LogEntry[]; unreadable: number };

/**
 * Old logs as entries, numbered as they come, from `first` on.
 * @param dimension of rows that do not say their own: the name of their file, null when there is none
 */
export function readOldLogs(value: unknown, dimension: string | null = null, first = 1): OldLogs {
  const entries: LogEntry[] = [];
  let unreadable = 0;
  for (const found of rowsOf(value, dimension)) {
    const entry = entryOf(found.row, found.dimension, first + entries.length);
    if (entry) entries.push(entry);
    else unreadable += 1;
  }
  return { entries, unreadable };
}

/** The content of an old file: JSON, or a JSON value in each line; null when it is neither. */
export function parseOldFile(text: string): unknown {
  const content = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(content);
  } catch {
    try {
      return content
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line) as unknown);
    } catch {
      return null;
    }
  }
}
