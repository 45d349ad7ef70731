import type { Occurrence } from '../core/occurrences.ts';
import { type Em, query } from '../entities/sql.ts';
import { entry, knownEntries, writeEntries } from './ledger.ts';
import { fires, lockSchedule } from './schedule-row.ts';

/** Most fires compared in one turn; the rest follows in the next. */
const MOST = 20_000;

/**
 * Compares the ledger of a schedule with its rule, up to the cursor, and records what has no row as missed. Nothing should ever be: this is
 * the proof, and finds rows that were lost with a restored database or a cursor that was moved by hand.
 * @returns how many were missing; 0 too when somebody else is at the schedule
 */
export async function findMissed(em: Em, id: string): Promise<number> {
  return await em.transactional(async (tx) => {
    const row = await lockSchedule(tx as Em, id);
    if (!row) return 0;
    const expected: Occurrence[] = [];
    for (const occurrence of fires(row, row.checked_at, row.cursor_at)) if (expected.push(occurrence) >= MOST) break;
    const until = expected.length >= MOST ? (expected.at(-1)?.at ?? row.cursor_at) : row.cursor_at;
    const known = await knownEntries(tx as Em, id, { from: row.checked_at, until });
    const rows = new Set(known.map(({ at }) => at));
    const ranges = known.filter(({ count }) => count > 1);
    const covered = (at: number) => rows.has(at) || ranges.some((range) => range.at < at && at <= (range.until ?? range.at));
    const missing = expected.filter(({ at }) => !covered(at));
    await writeEntries(
      tx as Em,
      id,
      missing.map((occurrence) => entry(occurrence, 'missed', { note: 'had no row in the ledger' })),
    );
    await query(tx as Em, 'update schedules set checked_at = $2 where id = $1', [id, new Date(until).toISOString()]);
    return missing.length;
  });
}

/** Schedules whose ledger has not been compared for a while, the longest first. */
export async function unchecked(em: Em, limit: number): Promise<string[]> {
  const sql = `select id from schedules where deleted_at is null and checked_at < cursor_at and checked_at < clock_timestamp() - interval '5 minutes'
    order by checked_at limit $1`;
  return (await query<{ id: string }>(em, sql, [limit])).map(({ id }) => id);
}
