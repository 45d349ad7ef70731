import { uuidv7 } from 'uuidv7';
import { EngineError } from '../core/errors.ts';
import { type Occurrence, runs } from '../core/occurrences.ts';
import { findBackfill } from '../entities/schedule.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Backfill, BackfillAnswer, BackfillCreation } from '../schemas/schedule.ts';
import { actorName, type CommandContext } from './context.ts';
import { knownEntries } from './ledger.ts';
import { fires, lockOwnSchedule, type ScheduleRow } from './schedule-row.ts';
import { writeAudit } from './write-audit.ts';

/** Most fires of one backfill. */
const MOST = 10_000;
const SHOWN = 100;
/** Outcomes after which a fire is not run again by anybody. */
const SETTLED = new Set(['ran', 'queued', 'dst_shifted', 'dst_deduped', 'skipped_calendar']);

const bad = (pointer: string, detail: string): EngineError =>
  new EngineError('invalid_input', `${pointer.slice(1)}: ${detail}`, { errors: [{ pointer, detail }] });

/**
 * Has the fires of a past range run that did not: those that were skipped or missed, that could not be submitted, or that lie before the
 * schedule began. Fires that ran are left alone, and the schedule's own cursor too. Tasks are submitted in the name of whoever asks.
 * @throws EngineError not_found; invalid_input: an empty, future or too large range
 */
export async function createBackfill(ctx: CommandContext, schedule_id: string, creation: BackfillCreation): Promise<BackfillAnswer> {
  return await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const row = await lockOwnSchedule(em, ctx, schedule_id);
    const range = rangeOf(row, creation);
    const { open, already } = await openFires(em, row, range);
    const shown = open.slice(0, SHOWN).map(({ at, local, ordinal }) => ({ nominal_at: iso(at), nominal_local: local, ordinal }));
    const answer = { dry_run: creation.dry_run, total: open.length, already, fires: shown };
    if (creation.dry_run) return { ...answer, backfill: null };
    return { ...answer, backfill: await store({ ...ctx, em }, row, { ...range, max_active: creation.max_active, total: open.length }) };
  });
}

const iso = (at: number): string => new Date(at).toISOString();

type Range = { from: number; until: number };

/** Until the cursor only, while the schedule is active: what comes after it is the schedule's own to fire. */
function rangeOf(row: ScheduleRow, { from, until }: BackfillCreation): Range {
  const range = { from: Date.parse(from), until: Date.parse(until) };
  if (range.until < range.from) throw bad('/until', `must not be before from, got ${until}`);
  if (range.until > row.now) throw bad('/until', `must not be in the future, got ${until}`);
  return row.status === 'active' ? { ...range, until: Math.max(range.from, Math.min(range.until, row.cursor_at)) } : range;
}

async function openFires(em: Em, row: ScheduleRow, { from, until }: Range): Promise<{ open: Occurrence[]; already: number }> {
  const open: Occurrence[] = [];
  for (const occurrence of fires({ ...row, start_at: null, end_at: null }, from - 1, until)) {
    if (runs(occurrence)) open.push(occurrence);
    if (open.length > MOST) throw bad('/from', `the range has more than ${MOST} fires; ask for it in parts`);
  }
  const known = await knownEntries(em, row.id, { from, until });
  const settled = new Set(known.filter(({ outcome }) => SETTLED.has(outcome)).map(({ at }) => at));
  const left = open.filter(({ at }) => !settled.has(at));
  return { open: left, already: open.length - left.length };
}

async function store(ctx: CommandContext, row: ScheduleRow, order: Range & { max_active: number; total: number }): Promise<Backfill> {
  const id = uuidv7();
  const done = order.total === 0;
  const values = [id, row.id, ctx.actor.id, iso(order.from), iso(order.until), iso(order.from - 1), order.max_active, order.total, done];
  await query(ctx.em, INSERT, values);
  const backfill = (await findBackfill(ctx.em, row.id, id)) as Backfill;
  const subject = { action: 'schedule.backfill', subject_type: 'schedule', subject_id: row.id };
  await writeAudit(ctx.em, { ...subject, actor: actorName(ctx.actor), request_id: ctx.request_id, before: null, after: backfill });
  return backfill;
}

const INSERT = `insert into backfills (id, schedule_id, user_id, from_at, until_at, cursor_at, max_active, total, status, completed_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, case when $9::bool then 'completed' else 'running' end, case when $9::bool then now() end)`;
