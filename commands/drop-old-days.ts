import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { EngineError } from '../core/errors.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';

/** `artifacts`: where a day is written before it is dropped; null: it is not. */
export type DropOptions = { fork(): Em; signal: AbortSignal; archive: ArtifactStore | null; counted(tx: Em, rows: number): Promise<void> };

const PAGE = 5_000;
const TRIES = 20;

/** Days that lie before a time as a whole, oldest first, as `20260131`. */
async function oldDays(em: Em, before: Date): Promise<string[]> {
  const rows = await query<{ day: string }>(em, DAYS, [before.toISOString()]);
  return rows.map(({ day }) => day);
}

const DAYS = `
select substr(c.relname, 19) as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'detection_records'::regclass and c.relname ~ '^detection_records_[0-9]{8}$'
  and to_date(substr(c.relname, 19), 'YYYYMMDD') + 1 <= ($1::timestamptz at time zone 'UTC') order by 1`;

/** The name is made of digits only, as the pattern above demands. */
const tableOf = (day: string): string => `partitions.detection_records_${day}`;

const keyOf = (day: string): string => `archive/detection_records/${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}.ndjson.gz`;

type Counter = { rows: number };

/** A day's records as lines of JSON, with the names of their sessions. */
async function* linesOf(em: Em, day: string, counter: Counter): AsyncGenerator<string> {
  for (let after = 0; ; ) {
    const rows = await queryOnce<{ id: number; line: string }>(
      em,
      `select r.id::float8 as id, (to_jsonb(r) || jsonb_build_object('session', s.name))::text as line
       from ${tableOf(day)} r left join detection_sessions s on s.id = r.session_id where r.id > $1 order by r.id limit ${PAGE}`,
      [after],
    );
    if (rows.length === 0) return;
    counter.rows += rows.length;
    after = rows.at(-1)?.id ?? 0;
    yield `${rows.map(({ line }) => line).join('\n')}\n`;
  }
}

/** @returns rows written */
async function archiveDay({ fork, archive }: DropOptions, day: string): Promise<number> {
  const counter = { rows: 0 };
  if (!archive) return 0;
  const lines = Readable.from(linesOf(fork(), day, counter));
  const packed = createGzip();
  lines.on('error', (cause) => packed.destroy(cause));
  await archive.put(keyOf(day), lines.pipe(packed));
  return counter.rows;
}

/** Waiting long for the table's lock would keep everybody else waiting behind us, so it is asked for again and again instead. */
const BUSY = new Set(['55P03', '40P01']);

/** @param archived rows that are in the archive; null: it need not be there @returns false: rows came since it was written */
async function dropDay({ fork, counted }: DropOptions, day: string, archived: number | null): Promise<boolean> {
  return await fork().transactional(async (tx) => {
    const em = tx as Em;
    await query(em, `set local lock_timeout = '500ms'`);
    await query(em, `lock table only ${tableOf(day)} in access exclusive mode`);
    const [found] = await queryOnce<{ n: number }>(em, `select count(*)::float8 as n from ${tableOf(day)}`);
    const rows = found?.n ?? 0;
    if (archived !== null && archived !== rows) return false;
    await query(em, `alter table detection_records detach partition ${tableOf(day)}`);
    await query(em, `drop table ${tableOf(day)}`);
    await counted(em, rows);
    return true;
  });
}

/** @returns false: it has to be tried again */
async function attempt(options: DropOptions, day: string): Promise<boolean> {
  try {
    return await dropDay(options, day, options.archive ? await archiveDay(options, day) : null);
  } catch (cause) {
    if (BUSY.has((cause as { code?: string }).code ?? '')) return false;
    throw cause;
  }
}

/** @throws EngineError unavailable: somebody reads or writes it all the time */
async function removeDay(options: DropOptions, day: string): Promise<void> {
  for (let tries = 1; tries <= TRIES && !options.signal.aborted; tries += 1) {
    if (await attempt(options, day)) return;
  }
  if (!options.signal.aborted)
    throw new EngineError('unavailable', `detection records of ${day}: in use all the time; they are removed by the next run`);
}

/**
 * Removes days of detection records that are old as a whole, by dropping their partitions; archived before where that is wanted, and then only what is in the archive.
 * @returns false when told to stop before the end
 */
export async function dropOldDays(before: Date, options: DropOptions): Promise<boolean> {
  for (const day of await oldDays(options.fork(), before)) {
    if (options.signal.aborted) return false;
    await removeDay(options, day);
  }
  return !options.signal.aborted;
}
