import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { ArtifactStore, Stored } from '../artifacts/artifact-store.ts';
import { type Em, queryOnce } from '../entities/sql.ts';

/** What is to be written to a file: rows of `table` (in its schema) that meet `where`, in the order of their ids. `period` names the file. */
export type Archived = { name: string; table: string; where: string; values: readonly unknown[]; period: string };

/** A file that holds what was there when it was written. */
export type ArchiveFile = Stored & { rows: number; from_at: string; until_at: string; last_id: number };

const PAGE = 2_000;

type Row = { id: number; at: string; row: Record<string, unknown> };

/** Rows as NDJSON, page by page, so that the size of a table does not matter. */
async function* pagesOf(fork: () => Em, { table, where, values }: Archived, signal: AbortSignal): AsyncGenerator<Row[]> {
  let last = 0;
  for (;;) {
    signal.throwIfAborted();
    const sql = `select t.id::float8 as id, t.created_at::text as at, to_jsonb(t) as row from ${table} t
      where ${where} and t.id > $${values.length + 1} order by t.id limit ${PAGE}`;
    const rows = await queryOnce<Row>(fork(), sql, [...values, last]);
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    last = rows.at(-1)?.id ?? last;
  }
}

type Sum = Omit<ArchiveFile, keyof Stored>;

function addTo(sum: Sum, rows: readonly Row[]): void {
  sum.rows += rows.length;
  sum.last_id = rows.at(-1)?.id ?? sum.last_id;
  for (const { at } of rows) {
    if (sum.from_at === '' || at < sum.from_at) sum.from_at = at;
    if (at > sum.until_at) sum.until_at = at;
  }
}

async function* linesOf(pages: AsyncIterable<Row[]>, sum: Sum): AsyncGenerator<string> {
  for await (const rows of pages) {
    addTo(sum, rows);
    yield rows.map(({ row }) => `${JSON.stringify(row)}\n`).join('');
  }
}

/** Writes rows to a compressed file in the artifact store. Nothing is removed here. @returns null when there are none */
export async function writeArchive(
  { fork, artifacts, signal }: { fork(): Em; artifacts: ArtifactStore; signal: AbortSignal },
  what: Archived,
): Promise<ArchiveFile | null> {
  const sum: Sum = { rows: 0, from_at: '', until_at: '', last_id: 0 };
  const key = `archives/${what.name}/${what.period}.ndjson.gz`;
  const gzip = createGzip();
  pipeline(
    Readable.from(
      linesOf(
        pagesOf(() => fork(), what, signal),
        sum,
      ),
    ),
    gzip,
    () => undefined,
  );
  const stored = await artifacts.put(key, gzip);
  if (sum.rows > 0) return { ...stored, ...sum };
  await artifacts.remove(key);
  return null;
}
