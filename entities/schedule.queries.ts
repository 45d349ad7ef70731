import type { Backfill, Occurrence, Schedule } from '../schemas/schedule.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

/** A schedule without its rule in words, which is not in the database. */
export type PlainSchedule = Omit<Schedule, 'words'>;

const LIVE = `status in ('pending', 'queued', 'processing')`;
const COLUMNS = `s.id, s.name, u.username as user, s.status, s.status_reason, s.cron, s.seconds, s.timezone, s.dst_gap, s.dst_overlap, s.exclude, s.template,
  s.template_version, s.parameters, s.queue, s.priority, s.timeout, s.tags, s.overlap, s.overlap_max, s.catchup, s.catchup_window_s, s.catchup_max,
  s.jitter_s, s.max_runs, s.runs, s.sla_id, ${wireTime('s.resume_at')}, (select count(*)::int4 from tasks t where t.source_id = s.id and t.${LIVE}) as live,
  ${['start_at', 'end_at', 'cursor_at', 'next_at', 'due_at'].map((column) => wireTime(`s.${column}`)).join(', ')}, ${wireTimes('s')}`;
const FROM = 'schedules s join users u on u.id = s.user_id';

/** One schedule; null when there is none, it was deleted, or it is somebody else's. */
export async function findSchedule(em: Em, id: string, scope: Scope): Promise<PlainSchedule | null> {
  const sql = `select ${COLUMNS} from ${FROM} where s.id = $1 and s.deleted_at is null and ($2::int8 is null or s.user_id = $2)`;
  return (await query<PlainSchedule>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Filters that are absent are undefined. */
export type ScheduleFilter = { status?: string; template?: string; queue?: string; user?: string };

/** Schedules, newest first. */
export async function listSchedules(em: Em, filter: ScheduleFilter & Scope, page: PageRequest): Promise<Page<PlainSchedule>> {
  const list = conditions();
  list.clauses.push('s.deleted_at is null');
  where(list, 's.user_id = ?', filter.user_id);
  where(list, 's.status = ?', filter.status);
  where(list, 's.template = ?', filter.template);
  where(list, 's.queue = ?', filter.queue);
  where(list, 'u.username = ?', filter.user);
  const keys: Key[] = [{ column: 's.id', kind: 'uuid' }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-id', keys }, page);
}

export type OccurrenceFilter = { schedule_id: string; outcome?: string[]; from?: string; until?: string; backfill?: string };

/** The ledger of a schedule, newest fire first. */
export async function listOccurrences(em: Em, filter: OccurrenceFilter, page: PageRequest): Promise<Page<Occurrence>> {
  const list = conditions();
  where(list, 'o.schedule_id = ?', filter.schedule_id);
  where(list, 'o.outcome = any(?::text[])', filter.outcome);
  where(list, 'o.nominal_at >= ?::timestamptz', filter.from);
  where(list, 'o.nominal_at <= ?::timestamptz', filter.until);
  where(list, 'o.backfill_id = ?', filter.backfill);
  const columns = `${wireNumber('o.id')}, ${wireTime('o.nominal_at')}, o.nominal_local, o.ordinal, o.outcome, o.task_id as task,
    o.backfill_id as backfill, o.count, ${wireTime('o.until_at')}, o.note, ${wireTime('o.fired_at')}`;
  const keys: Key[] = [{ column: 'o.nominal_at', kind: 'time' }];
  const listing = { columns, from: 'occurrences o', conditions: list, sort: '-nominal_at', keys };
  return await readPage(em, listing, page);
}

const BACKFILL = `b.id, b.schedule_id as schedule, u.username as user, b.status, ${wireTime('b.from_at', '"from"')}, ${wireTime('b.until_at', 'until')},
  b.max_active, b.total, b.submitted, b.failed, (select count(*)::int4 from tasks t where t.source_id = b.id and t.${LIVE}) as active,
  ${wireTime('b.completed_at')}, ${wireTimes('b')}`;
const BACKFILLS = 'backfills b join users u on u.id = b.user_id';

/** One backfill of a schedule. */
export async function findBackfill(em: Em, schedule_id: string, id: string): Promise<Backfill | null> {
  const sql = `select ${BACKFILL} from ${BACKFILLS} where b.schedule_id = $1 and b.id = $2`;
  return (await query<Backfill>(em, sql, [schedule_id, id]))[0] ?? null;
}

/** The backfills of a schedule, newest first. */
export async function listBackfills(em: Em, schedule_id: string, page: PageRequest): Promise<Page<Backfill>> {
  const list = conditions();
  where(list, 'b.schedule_id = ?', schedule_id);
  const keys: Key[] = [{ column: 'b.id', kind: 'uuid' }];
  return await readPage(em, { columns: BACKFILL, from: BACKFILLS, conditions: list, sort: '-id', keys }, page);
}
