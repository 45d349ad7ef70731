import { NEW_SESSION, type SessionRules } from '../core/detection/session.ts';
import { EngineError } from '../core/errors.ts';
import { type Em, query } from './sql.ts';

/** Who sends: `user_id` null is somebody who may send for every camera. `actor`: as the operation log spells it. */
export type Sender = { user_id: number; sees_all: boolean; actor: string; request_id: string | null };

/** `session`: its sender's name for it. `rules`: how its frames are judged should it be new. */
export type SessionOrder = { camera_id: string; session: string; rules: SessionRules; task_id: string | null };

/** `began_at`: when it was made, ms. */
export type OpenedSession = { id: number; camera_id: string; rules: SessionRules; began_at: number };

/**
 * Finds a session, or makes it, and its camera too. A camera belongs to whoever sends under its id first.
 * @throws EngineError forbidden: the camera is another user's
 */
export async function openSession(em: Em, sender: Sender, order: SessionOrder): Promise<OpenedSession> {
  const found = await findSession(em, sender, order);
  if (found) return found;
  return await em.transactional(async (tx) => {
    await query(tx as Em, MAKE_CAMERA, [order.camera_id, sender.user_id, sender.actor, sender.request_id]);
    await query(tx as Em, MAKE_SESSION, [
      order.camera_id,
      order.session,
      order.task_id,
      JSON.stringify(order.rules),
      JSON.stringify(NEW_SESSION),
      sender.sees_all ? null : sender.user_id,
    ]);
    const made = await findSession(tx as Em, sender, order);
    if (made) return made;
    throw new EngineError('forbidden', `camera "${order.camera_id}": belongs to another user; send under another camera_id`);
  });
}

async function findSession(em: Em, sender: Sender, { camera_id, session }: SessionOrder): Promise<OpenedSession | null> {
  const rows = await query<OpenedSession>(em, FIND, [camera_id, session, sender.sees_all ? null : sender.user_id]);
  return rows[0] ?? null;
}

const BEGAN = '(extract(epoch from s.created_at) * 1000)::float8 as began_at';

const FIND = `select s.id::float8 as id, s.camera_id, s.rules, ${BEGAN} from detection_sessions s join cameras c on c.id = s.camera_id
  where s.camera_id = $1 and s.name = $2 and ($3::int8 is null or c.user_id = $3)`;

const MAKE_CAMERA = `
with made as (insert into cameras (id, name, user_id) values ($1, $1, $2) on conflict do nothing returning id)
insert into audit_log (actor, action, subject_type, subject_id, after, request_id)
select $3, 'camera.create', 'camera', id, jsonb_build_object('id', id), $4 from made`;

const MAKE_SESSION = `
insert into detection_sessions (camera_id, name, task_id, rules, state)
select c.id, $2, $3::uuid, $4::jsonb, $5::jsonb from cameras c where c.id = $1 and ($6::int8 is null or c.user_id = $6) on conflict do nothing`;

/** A session locked against other writers. `name`: its sender's; `watched`: somebody looks at its camera now. */
export type LockedSession<State> = OpenedSession & { name: string; state: State; watched: boolean };

/** Locks sessions in the order of their ids until the transaction ends. Those that are gone are missing. */
export async function lockSessions<State>(em: Em, ids: readonly number[]): Promise<LockedSession<State>[]> {
  return await query<LockedSession<State>>(em, LOCK, [ids]);
}

const LOCK = `select s.id::float8 as id, s.camera_id, s.name, s.rules, s.state, ${BEGAN}, (l.watched_until > now()) is true as watched
  from detection_sessions s left join camera_live l on l.camera_id = s.camera_id
  where s.id = any($1::int8[]) order by s.id for no key update of s`;

/** Ends a run: its open violations are over, and nothing of it is remembered but its counts. Frames that come for it later begin anew. */
export async function endSession(em: Em, id: number): Promise<void> {
  await query(em, 'select 1 from detection_sessions where id = $1 for no key update', [id]);
  await query(em, END, [id]);
}

const END = `
with v as (update violation_events set ended_at = last_seen where session_id = $1 and ended_at is null returning id, last_seen),
h as (update alert_history a set resolved_at = v.last_seen from v where a.violation_id = v.id and a.resolved_at is null)
update detection_sessions set ended_at = clock_timestamp(), state = state || '{"life": {"candidates": [], "open": []}}' where id = $1`;

export type FrameBlock = { session_id: number; block: number; bits: Buffer };

/** Which frames of these blocks were dealt with; to be called under the sessions' locks. */
export async function readBlocks(em: Em, wanted: readonly Omit<FrameBlock, 'bits'>[]): Promise<FrameBlock[]> {
  const columns = [wanted.map(({ session_id }) => session_id), wanted.map(({ block }) => block)];
  return await query<FrameBlock>(em, BLOCKS, columns);
}

const BLOCKS = `select f.session_id::float8 as session_id, f.block::float8 as block, f.frames as bits
  from unnest($1::int8[], $2::int8[]) as w(session_id, block) join detection_frames f using (session_id, block)`;

/** Which frames of a session were dealt with, as of now. */
export async function allBlocks(em: Em, session_id: number): Promise<FrameBlock[]> {
  const sql = 'select session_id::float8 as session_id, block::float8 as block, frames as bits from detection_frames where session_id = $1';
  return await query<FrameBlock>(em, sql, [session_id]);
}

/** What a session has so far. Times are ISO 8601. */
export type SessionTotals = {
  frames: number;
  records: number;
  sampled_records: number;
  sampled_persons: number;
  person_frames: number;
  violating_person_frames: number;
  violations: number;
};

/** Counts of a session as they stand in its rows. */
export async function sessionTotals(em: Em, id: number): Promise<SessionTotals> {
  const rows = await query<SessionTotals>(em, TOTALS, [id]);
  return (
    rows[0] ?? {
      frames: 0,
      records: 0,
      sampled_records: 0,
      sampled_persons: 0,
      person_frames: 0,
      violating_person_frames: 0,
      violations: 0,
    }
  );
}

const TOTALS = `
select s.frames::float8 as frames, s.records::float8 as records, s.person_frames::float8 as person_frames,
  s.violating_person_frames::float8 as violating_person_frames, s.violations, n.sampled_records, n.sampled_persons
from detection_sessions s, lateral (
  select count(*)::float8 as sampled_records, coalesce(sum(r.person_count), 0)::float8 as sampled_persons
  from detection_records r where r.session_id = s.id and r.saved_for = 'sample') n
where s.id = $1`;
