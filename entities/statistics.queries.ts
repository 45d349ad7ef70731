import { type Em, query } from './sql.ts';

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
