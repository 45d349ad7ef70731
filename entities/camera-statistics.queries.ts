import type { HourStatistics } from '../schemas/detection-statistics.ts';
import { whereVisible } from './camera.queries.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime } from './wire.ts';

/** Which hours: of one camera (null: all), beginning in [from, until) as ISO 8601 (null: any). */
export type HourRange = { camera_id?: string | null; from?: string | null; until?: string | null };

const MOST_HOURS = 200;

/**
 * Computes the hours that frames came for since they were computed last, from their minutes; late frames included, and doing it twice changes nothing. What comes while
 * it computes marks its hour again. Several may do it at once.
 * @returns hours computed
 */
export async function updateHourlyStatistics(em: Em, { camera_id = null, from = null, until = null }: HourRange = {}): Promise<number> {
  let computed = 0;
  for (;;) {
    const hours = await em.transactional(async (tx) => {
      const taken = await query<{ camera_id: string; hour_start: string }>(tx as Em, TAKE, [camera_id, from, until]);
      if (taken.length > 0) {
        await query(tx as Em, COMPUTE, [taken.map((hour) => hour.camera_id), taken.map((hour) => hour.hour_start)]);
      }
      return taken.length;
    });
    computed += hours;
    if (hours < MOST_HOURS) return computed;
  }
}

/** Cleared first: whoever stores a frame for the hour from now on waits for our end, and marks it again. Hours that others are computing are left to them. */
const TAKE = `
with todo as (
  select camera_id, hour_start from statistics_hourly
  where dirty and ($1::text is null or camera_id = $1) and ($2::timestamptz is null or hour_start >= $2) and ($3::timestamptz is null or hour_start < $3)
  order by camera_id, hour_start limit ${MOST_HOURS} for no key update skip locked)
update statistics_hourly h set dirty = false from todo t where (h.camera_id, h.hour_start) = (t.camera_id, t.hour_start)
returning h.camera_id, h.hour_start::text as hour_start`;

/** In a statement of its own, whose snapshot is younger than the locks. */
const COMPUTE = `
update statistics_hourly h set total_frames = n.frames, person_frames = n.person_frames, persons_max = n.persons_max,
  violating_person_frames = n.violating, hairnet_violations = n.hairnets, distinct_tracks = n.tracks, violations_opened = o.opened,
  compliance = 1 - n.violating::float8 / nullif(n.person_frames, 0)
from unnest($1::text[], $2::timestamptz[]) as w(camera_id, hour_start),
lateral (
  select coalesce(sum(m.frames), 0)::int4 as frames, coalesce(sum(m.person_frames), 0)::int4 as person_frames, coalesce(max(m.persons_max), 0)::int4 as persons_max,
    coalesce(sum(m.violating_person_frames), 0)::int4 as violating, coalesce(sum(m.hairnet_violations), 0)::int4 as hairnets,
    (select count(*)::int4 from (select distinct x.session_id, t from detection_minutes x, unnest(x.tracks) t
       where x.camera_id = w.camera_id and x.minute >= w.hour_start and x.minute < w.hour_start + interval '1 hour') y) as tracks
  from detection_minutes m where m.camera_id = w.camera_id and m.minute >= w.hour_start and m.minute < w.hour_start + interval '1 hour') n,
lateral (
  select count(*)::int4 as opened from violation_events v
  where v.camera_id = w.camera_id and v.timestamp >= w.hour_start and v.timestamp < w.hour_start + interval '1 hour') o
where (h.camera_id, h.hour_start) = (w.camera_id, w.hour_start)`;

/** Filters that are absent are undefined. */
export type StatisticsFilter = Scope & { camera_id?: string; from?: string; until?: string };

const HOUR = `h.camera_id, ${wireTime('h.hour_start')}, h.total_frames, h.person_frames, h.persons_max, h.violating_person_frames, h.hairnet_violations, h.violations_opened,
  h.distinct_tracks, h.compliance, ${wireTime('h.updated_at')}`;

/** Hours, newest first, cameras by id within each. Computed before where frames came lately. */
export async function getStatistics(em: Em, filter: StatisticsFilter, page: PageRequest): Promise<Page<HourStatistics>> {
  await updateHourlyStatistics(em, { camera_id: filter.camera_id ?? null, from: filter.from ?? null, until: filter.until ?? null });
  const list = conditions();
  whereVisible(list, 'h.camera_id', filter);
  where(list, 'h.camera_id = ?', filter.camera_id);
  where(list, 'h.hour_start >= ?::timestamptz', filter.from);
  where(list, 'h.hour_start < ?::timestamptz', filter.until);
  const keys: Key[] = [
    { column: 'h.hour_start', kind: 'time' },
    { column: 'h.camera_id', kind: 'text' },
  ];
  return await readPage(em, { columns: HOUR, from: 'statistics_hourly h', conditions: list, sort: '-hour_start', keys }, page);
}

/** Counts of a camera in one of several stretches; `i` tells which, from 0. */
export type StretchCounts = {
  i: number;
  total_frames: number;
  person_frames: number;
  persons_max: number;
  violating_person_frames: number;
  hairnet_violations: number;
  violations_opened: number;
};

/** A stretch of whole hours, or a part of an hour; ms, `until` not included. */
export type Stretch = { i: number; from: number; until: number };

/** Sums of one camera: whole hours from the hourly statistics, parts of hours from minutes. Stretches with the same `i` are summed together. */
export async function sumStatistics(
  em: Em,
  camera_id: string,
  stretches: { hours: readonly Stretch[]; parts: readonly Stretch[] },
): Promise<StretchCounts[]> {
  return await query<StretchCounts>(em, SUMS, [camera_id, JSON.stringify(stretches.hours), JSON.stringify(stretches.parts)]);
}

const SUMS = `
with found as (
  select w.i, h.total_frames, h.person_frames, h.persons_max, h.violating_person_frames, h.hairnet_violations, h.violations_opened
  from jsonb_to_recordset($2::jsonb) as w(i int4, "from" float8, until float8)
  join statistics_hourly h on h.camera_id = $1 and h.hour_start >= to_timestamp(w."from" / 1000) and h.hour_start < to_timestamp(w.until / 1000)
  union all
  select w.i, m.frames, m.person_frames, m.persons_max, m.violating_person_frames, m.hairnet_violations, 0
  from jsonb_to_recordset($3::jsonb) as w(i int4, "from" float8, until float8)
  join detection_minutes m on m.camera_id = $1 and m.minute >= to_timestamp(w."from" / 1000) and m.minute < to_timestamp(w.until / 1000)
  union all
  select w.i, 0, 0, 0, 0, 0, 1
  from jsonb_to_recordset($3::jsonb) as w(i int4, "from" float8, until float8)
  join violation_events v on v.camera_id = $1 and v.timestamp >= to_timestamp(w."from" / 1000) and v.timestamp < to_timestamp(w.until / 1000))
select i, sum(total_frames)::float8 as total_frames, sum(person_frames)::float8 as person_frames, max(persons_max) as persons_max,
  sum(violating_person_frames)::float8 as violating_person_frames, sum(hairnet_violations)::float8 as hairnet_violations,
  sum(violations_opened)::float8 as violations_opened
from found group by i`;
