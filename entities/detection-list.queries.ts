import type { DetectionRecord, DetectionSession } from '../schemas/detection.ts';
import { whereVisible } from './camera.queries.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

/** Filters that are absent are undefined. Times are ISO 8601; `until` is not included. */
export type RecordFilter = Scope & {
  camera_id?: string;
  session_id?: string;
  from?: string;
  until?: string;
  saved_for?: string;
  min_persons?: number;
  has_violations?: boolean;
};

const RECORD = `${wireNumber('r.id')}, r.camera_id, s.name as session_id, ${wireNumber('r.frame_number')}, ${wireTime('r.timestamp')}, r.person_count,
  r.hairnet_violations, r.saved_for, r.objects, r.detail, r.fps, r.processing_ms, ${wireTime('r.created_at')}`;
const RECORDS = 'detection_records r join detection_sessions s on s.id = r.session_id';

/** One record; null when there is none or its camera is somebody else's. */
export async function findRecord(em: Em, id: number, scope: Scope): Promise<DetectionRecord | null> {
  const sql = `select ${RECORD} from ${RECORDS} join cameras c on c.id = r.camera_id where r.id = $1 and ($2::int8 is null or c.user_id = $2)`;
  return (await query<DetectionRecord>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Records by time, newest first unless `oldest_first`. */
export async function listRecords(
  em: Em,
  filter: RecordFilter & { oldest_first: boolean },
  page: PageRequest,
): Promise<Page<DetectionRecord>> {
  const list = conditions();
  whereVisible(list, 'r.camera_id', filter);
  where(list, 'r.camera_id = ?', filter.camera_id);
  where(list, 's.name = ?', filter.session_id);
  where(list, 'r.timestamp >= ?::timestamptz', filter.from);
  where(list, 'r.timestamp < ?::timestamptz', filter.until);
  where(list, 'r.saved_for = ?', filter.saved_for);
  where(list, 'r.person_count >= ?', filter.min_persons);
  if (filter.has_violations !== undefined) list.clauses.push(`r.hairnet_violations ${filter.has_violations ? '> 0' : '= 0'}`);
  const keys: Key[] = [
    { column: 'r.timestamp', kind: 'time' },
    { column: 'r.id', kind: 'integer' },
  ];
  const sort = filter.oldest_first ? 'timestamp' : '-timestamp';
  return await readPage(em, { columns: RECORD, from: RECORDS, conditions: list, sort, keys }, page);
}

const SESSION = `s.camera_id, s.name as session_id, s.task_id as task, (s.rules->>'interval')::int4 as save_interval, ${wireNumber('s.frames')}, ${wireNumber('s.records')},
  ${wireNumber('s.person_frames')}, ${wireNumber('s.violating_person_frames')}, s.violations, ${wireTime('s.first_at')}, ${wireTime('s.last_at')},
  ${wireTime('s.ended_at')}, ${wireTimes('s')}`;

/** Sessions, newest first. */
export async function listSessions(em: Em, filter: Scope & { camera_id?: string }, page: PageRequest): Promise<Page<DetectionSession>> {
  const list = conditions();
  whereVisible(list, 's.camera_id', filter);
  where(list, 's.camera_id = ?', filter.camera_id);
  const keys: Key[] = [{ column: 's.id', kind: 'integer' }];
  return await readPage(em, { columns: SESSION, from: 'detection_sessions s', conditions: list, sort: '-id', keys }, page);
}
