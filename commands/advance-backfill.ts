import { type Occurrence, runs } from '../core/occurrences.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import { entry, writeEntries } from './ledger.ts';
import { fires, lockSchedule, type ScheduleRow } from './schedule-row.ts';
import { submitOccurrence } from './submit-occurrence.ts';

type Row = { id: string; user_id: number; until_at: number; cursor_at: number; room: number; active: number };

/** Fires that one turn looks at. */
const MOST = 200;

/** A backfill never takes more than a quarter of its queue, though always one place. */
const LOCK = `select b.id, b.user_id::int4 as user_id, floor(extract(epoch from b.until_at) * 1000)::float8 as until_at,
  floor(extract(epoch from b.cursor_at) * 1000)::float8 as cursor_at,
  greatest(1, least(b.max_active, coalesce((select q.capacity / 4 from templates t join template_versions v on v.template = t.name
    and v.version = t.current_version join queues q on q.name = coalesce(s.queue, v.queue) where t.name = s.template), 1))) as room,
  (select count(*)::int4 from tasks where source_id = b.id and status in ('pending', 'queued', 'processing')) as active
  from backfills b join schedules s on s.id = b.schedule_id where b.id = $1 and b.status = 'running' for no key update of b skip locked`;

/**
 * Submits the next fires of a backfill as far as it has room, oldest first, and completes it when all its tasks are final. In one transaction,
 * so a kill loses nothing and repeats nothing; the schedule's lock keeps it apart from the schedule's own fires.
 * @returns tasks submitted
 */
export async function advanceBackfill(em: Em, order: { id: string; schedule_id: string }, engines: Engines): Promise<number> {
  return await em.transactional(async (tx) => {
    const schedule = await lockSchedule(tx as Em, order.schedule_id);
    const [row] = schedule ? await query<Row>(tx as Em, LOCK, [order.id]) : [];
    return schedule && row ? await advance({ em: tx as Em, schedule, row, engines }) : 0;
  });
}

type Turn = { em: Em; schedule: ScheduleRow; row: Row; engines: Engines };
type Sum = { submitted: number; failed: number };

async function advance(turn: Turn): Promise<number> {
  const { em, schedule, row } = turn;
  const sum: Sum = { submitted: 0, failed: 0 };
  let cursor = row.cursor_at;
  let looked = 0;
  let done = true;
  for (const occurrence of fires({ ...schedule, start_at: null, end_at: null }, cursor, row.until_at)) {
    if (row.active + sum.submitted >= row.room || looked >= MOST) {
      done = false;
      break;
    }
    if (runs(occurrence)) await runOne(turn, occurrence, sum);
    cursor = occurrence.at;
    looked += 1;
  }
  const over = done && row.active + sum.submitted === 0;
  await query(em, STORE, [row.id, new Date(done ? row.until_at : cursor).toISOString(), sum.submitted, sum.failed, over]);
  return sum.submitted;
}

const STORE = `update backfills set cursor_at = $2, submitted = submitted + $3, failed = failed + $4,
  status = case when $5::bool then 'completed' else status end, completed_at = case when $5::bool then clock_timestamp() end where id = $1`;

type Known = { id: number; outcome: string };

const OPEN = new Set(['skipped_overlap', 'skipped_catchup', 'missed', 'failed_submit']);

async function runOne({ em, schedule, row, engines }: Turn, occurrence: Occurrence, sum: Sum): Promise<void> {
  const sql = 'select id::float8 as id, outcome from occurrences where schedule_id = $1 and nominal_at = $2';
  const [known] = await query<Known>(em, sql, [schedule.id, new Date(occurrence.at).toISOString()]);
  if (known && !OPEN.has(known.outcome)) return;
  const source = { user_id: row.user_id, source_id: row.id };
  const { task, error } = await submitOccurrence(em, { row: schedule, nominal: occurrence, source }, engines);
  const outcome = task === null ? 'failed_submit' : 'ran';
  if (task === null) sum.failed += 1;
  else sum.submitted += 1;
  if (!known) return await writeEntries(em, schedule.id, [entry(occurrence, outcome, { task, note: error, backfill: row.id })]);
  const note = error ?? `was ${known.outcome}`;
  await query(em, REPLACE, [known.id, outcome, task, row.id, note]);
}

const REPLACE = `update occurrences set outcome = $2, task_id = $3, backfill_id = $4, note = $5, fired_at = clock_timestamp() where id = $1`;
