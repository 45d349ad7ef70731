import { BATCH, LEAST, type Step } from './retention-step.ts';

type Table = 'alert_history' | 'violation_events' | 'detection_records' | 'detection_minutes' | 'statistics_hourly' | 'detection_sessions';

/** Everything that is old goes, so each batch begins at the oldest again: there is nothing to pass over, and no place to remember. */
const FROM_START = `case when $2::timestamptz is not null and $3::text is not null then '{"created_at": "-infinity", "key": ""}'::jsonb end as last`;

/** `old`: which rows go, with the cutoff as $1; `order`: an indexed column. */
function oldest(table: string, old: string, order: string): Step {
  return {
    size: BATCH,
    start: LEAST.text,
    count: `select count(*)::int4 as n from ${table} x where ${old}`,
    batch: `with gone as (delete from ${table} where ctid in (select x.ctid from ${table} x where ${old} order by ${order} limit ${BATCH} for update skip locked)
        returning 1)
      select (select count(*) from gone)::int4 as n, 0 as more, (select count(*) from gone)::int4 as seen, ${FROM_START}`,
  };
}

/** Confirmed ones are kept four times as long. Those with a picture wait until it is removed, see `removeSnapshots`. */
export const OLD_VIOLATION = `x.ended_at is not null and x.timestamp < $1::timestamptz
  and (x.status <> 'confirmed' or x.timestamp < $1::timestamptz - 3 * (now() - $1::timestamptz))`;

const UNUSED_SESSION = `x.created_at < $1 and not exists (select from detection_records r where r.session_id = x.id)
  and not exists (select from violation_events v where v.session_id = x.id) and not exists (select from detection_minutes m where m.session_id = x.id)`;

/** Whole days of records are dropped before (see `dropOldDays`); the batch is for what lies in the default partition. */
export const DETECTION_STEPS: Record<Table, Step> = {
  alert_history: oldest('alert_history', `x.fired_at < $1 and x.delivery <> 'pending'`, 'x.fired_at'),
  violation_events: oldest('violation_events', `${OLD_VIOLATION} and x.snapshot_key is null`, 'x.timestamp'),
  detection_records: {
    ...oldest('partitions.detection_records_default', 'x.timestamp < $1', 'x.timestamp'),
    count: `select count(*)::int4 as n from detection_records x where x.timestamp < date_trunc('day', $1::timestamptz, 'UTC')`,
  },
  detection_minutes: oldest('detection_minutes', 'x.minute < $1', 'x.minute'),
  statistics_hourly: oldest('statistics_hourly', 'x.hour_start < $1', 'x.hour_start'),
  detection_sessions: oldest('detection_sessions', UNUSED_SESSION, 'x.created_at'),
};
