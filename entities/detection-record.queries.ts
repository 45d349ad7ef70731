import type { SavedFor } from '../core/detection/sampling.ts';
import type { SessionState } from '../core/detection/session.ts';
import type { MinuteTally } from '../core/detection/statistics.ts';
import type { KnownObject } from '../core/detection/tracker.ts';
import type { OpenViolation } from '../core/detection/violations.ts';
import type { FrameBlock } from './detection-session.queries.ts';
import { type Em, query } from './sql.ts';

/** A frame to keep. Times are ms since 1970 here and below. */
export type RecordRow = {
  camera_id: string;
  session_id: number;
  frame_number: number;
  timestamp: number;
  person_count: number;
  hairnet_violations: number;
  saved_for: SavedFor;
  objects: KnownObject[];
  detail: Record<string, unknown> | null;
  fps: number | null;
  processing_ms: number | null;
};

/** A violation as it stands after a batch. `is_new`: it opened within it; `ended`: it is over. */
export type ViolationRow = OpenViolation & { camera_id: string; session_id: number; is_new: boolean; ended: boolean };

export type MinuteRow = MinuteTally & { camera_id: string; session_id: number };

/** What a batch added to a session. */
export type SessionRow = {
  id: number;
  state: SessionState;
  frames: number;
  records: number;
  person_frames: number;
  violating_person_frames: number;
  violations: number;
  first_ms: number;
  last_ms: number;
};

export type DetectionRows = {
  sessions: SessionRow[];
  blocks: FrameBlock[];
  records: RecordRow[];
  violations: ViolationRow[];
  minutes: MinuteRow[];
};

/**
 * Stores what a batch of frames makes: records, violations, minutes, the sessions' states and which frames they were, in one statement. The caller holds
 * the sessions' locks, so nothing of it can have been stored before. Hours that it touches are marked to be computed again.
 */
export async function saveDetectionRecords(em: Em, rows: DetectionRows): Promise<void> {
  const blocks = rows.blocks.map(({ bits, ...block }) => ({ ...block, bits: bits.toString('base64') }));
  const lists = [rows.sessions, blocks, rows.records, rows.violations, rows.minutes];
  await query(
    em,
    SAVE,
    lists.map((list) => JSON.stringify(list)),
  );
}

const at = (ms: string): string => `to_timestamp(${ms} / 1000.0)`;
/** JSON's null within jsonb is not SQL's. */
const orNull = (column: string): string => `nullif(${column}, 'null'::jsonb)`;

const SAVE = `
with s as (
  update detection_sessions d set state = n.state, frames = d.frames + n.frames, records = d.records + n.records, violations = d.violations + n.violations,
    person_frames = d.person_frames + n.person_frames, violating_person_frames = d.violating_person_frames + n.violating_person_frames,
    first_at = least(d.first_at, ${at('n.first_ms')}), last_at = greatest(d.last_at, ${at('n.last_ms')}), ended_at = null
  from jsonb_to_recordset($1::jsonb) as n(id int8, state jsonb, frames int8, records int8, person_frames int8, violating_person_frames int8, violations int4,
    first_ms float8, last_ms float8) where d.id = n.id),
b as (
  insert into detection_frames (session_id, block, frames)
  select n.session_id, n.block, decode(n.bits, 'base64') from jsonb_to_recordset($2::jsonb) as n(session_id int8, block int8, bits text)
  on conflict (session_id, block) do update set frames = excluded.frames),
r as (
  insert into detection_records (camera_id, session_id, frame_number, timestamp, person_count, hairnet_violations, saved_for, objects, detail, fps, processing_ms)
  select n.camera_id, n.session_id, n.frame_number, ${at('n.timestamp')}, n.person_count, n.hairnet_violations, n.saved_for, n.objects, ${orNull('n.detail')}, n.fps,
    n.processing_ms
  from jsonb_to_recordset($3::jsonb) as n(camera_id text, session_id int8, frame_number int8, timestamp float8, person_count int4, hairnet_violations int4,
    saved_for text, objects jsonb, detail jsonb, fps float8, processing_ms float8)
  on conflict (session_id, frame_number, timestamp) do nothing),
v as materialized (
  select * from jsonb_to_recordset($4::jsonb) as n(id uuid, camera_id text, session_id int8, track_id text, type text, opened_frame int8, first_ms float8,
    last_ms float8, frames int4, confidence float8, severity text, zones text[], box jsonb, is_new boolean, ended boolean)),
vn as (
  insert into violation_events (id, camera_id, session_id, track_id, violation_type, segment_no, timestamp, last_seen, ended_at, opened_frame, frames, confidence,
    severity, zones, box)
  select v.id, v.camera_id, v.session_id, v.track_id, v.type,
    coalesce((select max(e.segment_no) from violation_events e where (e.session_id, e.track_id, e.violation_type) = (v.session_id, v.track_id, v.type)), 0)
      + row_number() over (partition by v.session_id, v.track_id, v.type order by v.first_ms, v.id),
    ${at('v.first_ms')}, ${at('v.last_ms')}, case when v.ended then ${at('v.last_ms')} end, v.opened_frame, v.frames, v.confidence, v.severity, v.zones,
    ${orNull('v.box')}
  from v where v.is_new),
vu as (
  update violation_events e set timestamp = ${at('v.first_ms')}, last_seen = ${at('v.last_ms')}, ended_at = case when v.ended then ${at('v.last_ms')} end,
    frames = v.frames, confidence = v.confidence, severity = v.severity, zones = v.zones, box = ${orNull('v.box')}
  from v where not v.is_new and e.id = v.id),
over as (
  update alert_history h set resolved_at = ${at('v.last_ms')} from v where v.ended and h.violation_id = v.id and h.resolved_at is null),
m as materialized (
  select n.*, ${at('n.minute')} as minute_at from jsonb_to_recordset($5::jsonb) as n(camera_id text, session_id int8, minute float8, frames int4, person_frames int4,
    persons_max int4, violating_person_frames int4, hairnet_violations int4, tracks text[])),
mi as (
  insert into detection_minutes as d (camera_id, minute, session_id, frames, person_frames, persons_max, violating_person_frames, hairnet_violations, tracks)
  select camera_id, minute_at, session_id, frames, person_frames, persons_max, violating_person_frames, hairnet_violations, tracks from m
  on conflict (camera_id, minute, session_id) do update set frames = d.frames + excluded.frames, person_frames = d.person_frames + excluded.person_frames,
    persons_max = greatest(d.persons_max, excluded.persons_max),
    violating_person_frames = d.violating_person_frames + excluded.violating_person_frames,
    hairnet_violations = d.hairnet_violations + excluded.hairnet_violations,
    tracks = array(select distinct t from unnest(d.tracks || excluded.tracks) t limit 2000)),
hours as (
  select camera_id, date_trunc('hour', minute_at, 'UTC') as hour_start from m
  union select camera_id, date_trunc('hour', at, 'UTC') from v, unnest(array[${at('v.first_ms')}, ${at('v.last_ms')}]) at)
insert into statistics_hourly as h (camera_id, hour_start, dirty) select camera_id, hour_start, true from hours order by 1, 2
on conflict (camera_id, hour_start) do update set dirty = true`;

/** Sees to it that these days (ms) have a partition to put rows into. Far from now there is none, and rows go to the default one. */
export async function ensurePartitions(em: Em, days: readonly number[]): Promise<void> {
  for (const day of days) {
    await em.transactional(async (tx) => {
      await query(tx as Em, `set local lock_timeout = '2s'`);
      await query(tx as Em, 'select ensure_detection_partition(to_timestamp($1::float8 / 1000))', [day]);
    });
  }
}
