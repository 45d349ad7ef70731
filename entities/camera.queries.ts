import type { Camera } from '../schemas/camera.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime, wireTimes } from './wire.ts';

const COLUMNS = `c.id, c.name, u.username as user, c.timezone, (select count(*)::int4 from detection_sessions s where s.camera_id = c.id) as sessions,
  (select count(*)::int4 from violation_events v join detection_sessions s on s.id = v.session_id where v.ended_at is null and s.camera_id = c.id) as open_violations,
  ${wireTime('(select max(s.last_at) from detection_sessions s where s.camera_id = c.id)', 'last_at')}, ${wireTimes('c')}`;
const FROM = 'cameras c join users u on u.id = c.user_id';

/** One camera; null when there is none or it is somebody else's. */
export async function findCamera(em: Em, id: string, scope: Scope): Promise<Camera | null> {
  const sql = `select ${COLUMNS} from ${FROM} where c.id = $1 and ($2::int8 is null or c.user_id = $2)`;
  return (await query<Camera>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Cameras by id. */
export async function listCameras(em: Em, filter: Scope & { q?: string }, page: PageRequest): Promise<Page<Camera>> {
  const list = conditions();
  where(list, 'c.user_id = ?', filter.user_id);
  where(list, 'position(lower(?) in lower(c.name)) > 0', filter.q);
  const keys: Key[] = [{ column: 'c.id', kind: 'text' }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: 'id', keys }, page);
}

/** What lists of a camera's things are narrowed to: those of one's own cameras, or of all. */
export function whereVisible(list: ReturnType<typeof conditions>, column: string, scope: Scope): void {
  where(list, `${column} in (select c.id from cameras c where c.user_id = ?)`, scope.user_id);
}
