import type { Aggregate, planCatchUp } from '../core/catch-up.ts';
import type { Occurrence } from '../core/occurrences.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Occurrence as OccurrenceShape } from '../schemas/schedule.ts';

export type Outcome = OccurrenceShape['outcome'];

/** One row to write. `count` above 1: an aggregate, see the entity. */
export type Entry = {
  occurrence: Pick<Occurrence, 'at' | 'local' | 'ordinal'>;
  outcome: Outcome;
  task: string | null;
  backfill: string | null;
  note: string | null;
  count: number;
  until: number | null;
};

/** An entry without task, backfill and note unless given. */
export const entry = (occurrence: Entry['occurrence'], outcome: Outcome, more: Partial<Entry> = {}): Entry => ({
  occurrence,
  outcome,
  task: null,
  backfill: null,
  note: null,
  count: 1,
  until: null,
  ...more,
});

/** Begins a millisecond early, so that it is never in the way of a row of one of the fires that it stands for. A lone one is a plain row. */
export function aggregateEntry({ from, until, count }: Aggregate): Entry {
  if (count === 1) return entry(from, 'skipped_catchup');
  return entry({ ...from, at: from.at - 1 }, 'skipped_catchup', { count, until: until.at, note: `${count} fires that came too late` });
}

/**
 * The rows of fires that run nothing at once: those that are excluded, that clocks repeat or jump over, and those that come too late.
 * @param plan of the same fires
 */
export function quietEntries(due: readonly Occurrence[], plan: ReturnType<typeof planCatchUp>): Entry[] {
  const excluded = due.filter((occurrence) => occurrence.excluded !== undefined);
  const left_out = excluded.map((occurrence) => entry(occurrence, 'skipped_calendar', { note: `excluded: ${occurrence.excluded}` }));
  const others = due.filter((occurrence) => occurrence.excluded === undefined);
  const repeated = others.filter(({ dst }) => dst === 'repeated').map((occurrence) => entry(occurrence, 'dst_deduped'));
  const skipped = others.filter(({ dst }) => dst === 'skipped').map((occurrence) => entry(occurrence, 'skipped_calendar'));
  const late = plan.skip.map((occurrence) => entry(occurrence, 'skipped_catchup'));
  return [...left_out, ...repeated, ...skipped, ...late, ...(plan.aggregate ? [aggregateEntry(plan.aggregate)] : [])];
}

/** Writes rows in one statement. Their uniqueness per nominal instant is the database's: a second row for one fails the whole transaction. */
export async function writeEntries(em: Em, schedule_id: string, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  const column = (pick: (entry: Entry) => unknown) => entries.map(pick);
  await query(em, INSERT, [
    schedule_id,
    column((e) => new Date(e.occurrence.at).toISOString()),
    column((e) => e.occurrence.local),
    column((e) => e.occurrence.ordinal),
    column((e) => e.outcome),
    column((e) => e.task),
    column((e) => e.backfill),
    column((e) => e.note),
    column((e) => e.count),
    column((e) => (e.until === null ? null : new Date(e.until).toISOString())),
  ]);
}

const INSERT = `insert into occurrences (schedule_id, nominal_at, nominal_local, ordinal, outcome, task_id, backfill_id, note, count, until_at, fired_at)
  select $1, e.*, clock_timestamp() from unnest($2::timestamptz[], $3::text[], $4::int4[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::int4[],
    $10::timestamptz[]) as e`;

type Known = { at: number; outcome: Outcome; count: number; until: number | null };

/** The rows of a schedule in [from, until], by nominal instant, and what aggregates cover. */
export async function knownEntries(em: Em, schedule_id: string, { from, until }: { from: number; until: number }): Promise<Known[]> {
  return await query<Known>(em, KNOWN, [schedule_id, new Date(from).toISOString(), new Date(until).toISOString()]);
}

const KNOWN = `select (extract(epoch from nominal_at) * 1000)::float8 as at, outcome, count, (extract(epoch from until_at) * 1000)::float8 as until
  from occurrences where schedule_id = $1 and nominal_at <= $3 and coalesce(until_at, nominal_at) >= $2 order by nominal_at`;
