import { planCatchUp } from '../core/catch-up.ts';
import type { Occurrence } from '../core/occurrences.ts';
import { decideOverlap } from '../core/overlap.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import { actingUser } from './acting-user.ts';
import { cancelTasks } from './cancel-tasks.ts';
import { type Entry, entry, knownEntries, quietEntries, writeEntries } from './ledger.ts';
import { fires, jitterMs, lockSchedule, type ScheduleRow, storeProgress } from './schedule-row.ts';
import { submitOccurrence } from './submit-occurrence.ts';

/** `submitted`: tasks. `more`: so many fires were due that another turn is needed. `due_in_ms`: until the next one; null: none, or not active. */
export type Fired = { submitted: number; more: boolean; due_in_ms: number | null };

/** Most fires of one turn; older ones of a long outage share a row and leave at least `KEPT` newer ones to the next turn. */
const MOST = 50_000;
const KEPT = 2_000;

/** One schedule while it is locked, and what its turn has found and done so far. */
type Turn = { em: Em; engines: Engines; row: ScheduleRow; live: number; waiting: number; submitted: number; entries: Entry[] };

/**
 * Does all that a schedule has to do now, in one transaction: submits what waited for earlier tasks, gives every nominal fire since the cursor
 * its one row in the ledger, and submits what is to run. Repeating it is harmless, and it may be called at any time by anybody: the schedule's
 * row is locked and its cursor decides what is due. Null: there is no such schedule, it is paused, or somebody else is at it.
 * @param now ms; the database's clock unless a test says otherwise
 */
export async function fireDue(em: Em, { id, now }: { id: string; now?: number }, engines: Engines): Promise<Fired | null> {
  return await em.transactional(async (tx) => {
    const row = await lockSchedule(tx as Em, id);
    if (!row || row.status === 'paused') return null;
    return await fireLocked(tx as Em, { ...row, now: now ?? row.now }, engines);
  });
}

/** As `fireDue`, for a schedule that the caller's transaction has locked. `row` is left as it is then in the database. */
export async function fireLocked(em: Em, row: ScheduleRow, engines: Engines): Promise<Fired> {
  const turn: Turn = { em, engines, row, submitted: 0, entries: [], ...(await countBusy(em, row.id)) };
  await submitWaiting(turn);
  if (row.status !== 'active') return { submitted: turn.submitted, more: false, due_in_ms: null };
  const { more, due_at } = await fireSinceCursor(turn);
  return { submitted: turn.submitted, more, due_in_ms: due_at === null ? null : due_at - row.now };
}

const BUSY = `select (select count(*)::int4 from tasks where source_id = $1 and status in ('pending', 'queued', 'processing')) as live,
  (select count(*)::int4 from occurrences where schedule_id = $1 and outcome = 'queued') as waiting`;

async function countBusy(em: Em, id: string): Promise<{ live: number; waiting: number }> {
  return (await query<{ live: number; waiting: number }>(em, BUSY, [id]))[0] ?? { live: 0, waiting: 0 };
}

/** `more`: more fires are due than one turn takes; `due_at`: when the next one is. */
async function fireSinceCursor(turn: Turn): Promise<{ more: boolean; due_at: number | null }> {
  const { em, row } = turn;
  const horizon = Math.max(row.cursor_at, row.now - jitterMs(row));
  const { due, more } = await newFires(em, row, horizon);
  const now = row.now - jitterMs(row);
  const catchUp = { policy: row.catchup, window_s: more ? 0 : row.catchup_window_s, max: row.catchup_max };
  const plan = planCatchUp(due, catchUp, more ? Infinity : now);
  turn.entries.push(...quietEntries(due, plan));
  for (const occurrence of plan.fire) {
    if (isUsedUp(row)) break;
    await fireOne(turn, occurrence);
  }
  await writeEntries(em, row.id, turn.entries);
  row.cursor_at = more ? (due.at(-1)?.at ?? horizon) : horizon;
  return { more, due_at: await storeProgress(em, row) };
}

const isUsedUp = (row: ScheduleRow): boolean => row.max_runs !== null && row.runs >= row.max_runs;

/** Fires since the cursor that have no row yet, oldest first. Rows may be there already: a backfill is free to run what is past. */
async function newFires(em: Em, row: ScheduleRow, horizon: number): Promise<{ due: Occurrence[]; more: boolean }> {
  const found: Occurrence[] = [];
  for (const occurrence of fires(row, row.cursor_at, horizon)) if (found.push(occurrence) >= MOST + KEPT) break;
  const more = found.length >= MOST + KEPT;
  const due = more ? found.slice(0, MOST) : found;
  const [first, last] = [due[0], due.at(-1)];
  if (!first || !last) return { due, more };
  const known = new Set((await knownEntries(em, row.id, { from: first.at, until: last.at })).map(({ at }) => at));
  return { due: due.filter(({ at }) => !known.has(at)), more };
}

async function fireOne(turn: Turn, occurrence: Occurrence): Promise<void> {
  const { row } = turn;
  const decision = decideOverlap({ policy: row.overlap, max: row.overlap_max }, turn);
  if (decision === 'skip') {
    const note = `${turn.live} tasks of earlier fires are not final, ${turn.waiting} fires wait`;
    turn.entries.push(entry(occurrence, 'skipped_overlap', { note }));
    return;
  }
  if (decision === 'cancel') await makeRoom(turn, occurrence);
  if (decision === 'run' || (decision === 'cancel' && turn.live === 0)) return await submitOne(turn, occurrence);
  turn.entries.push(entry(occurrence, 'queued'));
  turn.waiting += 1;
  row.runs += 1;
}

async function submitOne(turn: Turn, occurrence: Occurrence): Promise<void> {
  const { em, row, engines } = turn;
  const source = { user_id: row.user_id, source_id: row.id };
  const { task, error } = await submitOccurrence(em, { row, nominal: occurrence, source }, engines);
  const outcome = task === null ? 'failed_submit' : occurrence.dst === 'shifted' ? 'dst_shifted' : 'ran';
  turn.entries.push(entry(occurrence, outcome, { task, note: error }));
  if (task === null) return;
  turn.live += 1;
  turn.submitted += 1;
  row.runs += 1;
}

type Waiting = { id: number; at: number; local: string };

const OLDEST = `select id::float8 as id, (extract(epoch from nominal_at) * 1000)::float8 as at, nominal_local as local from occurrences
  where schedule_id = $1 and outcome = 'queued' order by nominal_at limit 1`;

/** Submits the fires that waited for earlier tasks, oldest first, as far as there is room now. */
async function submitWaiting(turn: Turn): Promise<void> {
  const { em, row } = turn;
  const room = row.overlap === 'allow' ? row.overlap_max : 1;
  while (turn.waiting > 0 && turn.live < room) {
    const [oldest] = await query<Waiting>(em, OLDEST, [row.id]);
    if (!oldest) return;
    await submitOldest(turn, oldest);
  }
}

async function submitOldest(turn: Turn, oldest: Waiting): Promise<void> {
  const { em, row, engines } = turn;
  const source = { user_id: row.user_id, source_id: row.id };
  const { task, error } = await submitOccurrence(em, { row, nominal: oldest, source }, engines);
  const outcome = task === null ? 'failed_submit' : 'ran';
  await query(em, 'update occurrences set outcome = $2, task_id = $3, note = $4 where id = $1', [oldest.id, outcome, task, error]);
  turn.waiting -= 1;
  if (task === null) return;
  turn.live += 1;
  turn.submitted += 1;
}

/** Cancels the tasks of earlier fires, and lets this fire take the place of those that wait. Tasks that run need a moment to stop. */
async function makeRoom(turn: Turn, occurrence: Occurrence): Promise<void> {
  const { em, row } = turn;
  const note = `replaced by the fire of ${new Date(occurrence.at).toISOString()}`;
  await query(em, `update occurrences set outcome = 'skipped_overlap', note = $2 where schedule_id = $1 and outcome = 'queued'`, [
    row.id,
    note,
  ]);
  for (const waiting of turn.entries.filter(({ outcome }) => outcome === 'queued'))
    Object.assign(waiting, { outcome: 'skipped_overlap', note });
  row.runs = Math.max(0, row.runs - turn.waiting);
  turn.waiting = 0;
  await cancelLive(em, row);
  turn.live = (await countBusy(em, row.id)).live;
}

async function cancelLive(em: Em, row: ScheduleRow): Promise<void> {
  const sql = `select uuid from tasks where source_id = $1 and status in ('pending', 'queued', 'processing') order by uuid`;
  const live = await query<{ uuid: string }>(em, sql, [row.id]);
  const actor = await actingUser(em, row.user_id).catch(() => null);
  if (!actor) return;
  const ctx = { em, actor, request_id: `cron/${row.id}` };
  const uuids = live.map(({ uuid }) => uuid);
  await cancelTasks(ctx, uuids, 'replaced by a later fire of its schedule');
}
