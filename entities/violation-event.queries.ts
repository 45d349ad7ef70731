import type { Violation, ViolationFilter } from '../schemas/violation.ts';
import { whereVisible } from './camera.queries.ts';
import { type Conditions, conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const COLUMNS = `v.id, v.camera_id, s.name as session_id, v.track_id, v.violation_type, v.segment_no, ${wireTime('v.timestamp')}, ${wireTime('v.last_seen')},
  ${wireTime('v.ended_at')}, extract(epoch from v.last_seen - v.timestamp)::float8 as duration_s, ${wireNumber('v.opened_frame')}, v.frames, v.confidence, v.severity,
  v.zones, v.box, v.snapshot_key is not null as has_snapshot, v.status, v.handled_by, ${wireTime('v.handled_at')}, v.notes, ${wireTimes('v')}`;
const FROM = 'violation_events v join detection_sessions s on s.id = v.session_id';

/** One violation; null when there is none or its camera is somebody else's. */
export async function findViolation(em: Em, id: string, scope: Scope): Promise<Violation | null> {
  const sql = `select ${COLUMNS} from ${FROM} join cameras c on c.id = v.camera_id where v.id = $1 and ($2::int8 is null or c.user_id = $2)`;
  return (await query<Violation>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Adds a filter's clauses on `violation_events v` joined with its session `s`. */
export function whereViolations(list: Conditions, filter: ViolationFilter & Scope): void {
  whereVisible(list, 'v.camera_id', filter);
  where(list, 'v.camera_id = ?', filter.camera_id);
  where(list, 's.name = ?', filter.session_id);
  where(list, 'v.violation_type = ?', filter.violation_type);
  where(list, 'v.track_id = ?', filter.track_id);
  where(list, 'v.status = any(?::text[])', filter.status);
  where(list, 'v.severity = any(?::text[])', filter.severity);
  where(list, 'v.confidence >= ?', filter.min_confidence);
  where(list, 'v.timestamp >= ?::timestamptz', filter.from);
  where(list, 'v.timestamp < ?::timestamptz', filter.until);
  if (filter.open !== undefined) list.clauses.push(`v.ended_at is ${filter.open ? 'null' : 'not null'}`);
}

/** Violations by when they were first seen, newest first. */
export async function getRecentViolations(em: Em, filter: ViolationFilter & Scope, page: PageRequest): Promise<Page<Violation>> {
  const list = conditions();
  whereViolations(list, filter);
  const keys: Key[] = [
    { column: 'v.timestamp', kind: 'time' },
    { column: 'v.id', kind: 'uuid' },
  ];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-timestamp', keys }, page);
}

/** Notes where the picture of a violation's opening is kept. */
export async function keepSnapshot(em: Em, id: string, key: string): Promise<void> {
  await query(em, 'update violation_events set snapshot_key = $2 where id = $1', [id, key]);
}

/** Where the picture of a violation's opening is kept; null: there is none, or it is somebody else's. */
export async function findSnapshotKey(em: Em, id: string, scope: Scope): Promise<string | null> {
  const sql = `select v.snapshot_key from violation_events v join cameras c on c.id = v.camera_id where v.id = $1 and ($2::int8 is null or c.user_id = $2)`;
  return (await query<{ snapshot_key: string | null }>(em, sql, [id, scope.user_id]))[0]?.snapshot_key ?? null;
}
