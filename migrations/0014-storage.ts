/**
 * Records by UTC day in the schema `partitions`. A day gets its partition ahead, or when its first row is about to come; rows that came earlier, into the default
 * partition (a restored dump, say), are moved there. Days far from now stay in the default partition, so that no clock gone wrong makes thousands of tables. Whether
 * a partition is there is asked of the catalogue's rows: `to_regclass` would answer from a cache that waiting for the lock does not refresh.
 */
const ensure = `create function ensure_detection_partition(at timestamptz) returns text language plpgsql as $$
declare
  day timestamptz := date_trunc('day', at, 'UTC');
  until timestamptz := day + interval '24 hours';
  name text := 'detection_records_' || to_char(at at time zone 'UTC', 'YYYYMMDD');
begin
  if at < now() - interval '400 days' or at > now() + interval '7 days' then return null; end if;
  if exists (select from pg_class c where c.relname = name and c.relnamespace = 'partitions'::regnamespace) then return name; end if;
  perform pg_advisory_xact_lock(hashtext('ensure_detection_partition'));
  if exists (select from pg_class c where c.relname = name and c.relnamespace = 'partitions'::regnamespace) then return name; end if;
  execute format('create table partitions.%I (like detection_records including defaults including constraints)', name);
  execute format('with moved as (delete from partitions.detection_records_default where timestamp >= %L and timestamp < %L returning *)
    insert into partitions.%I select * from moved', day, until, name);
  execute format('alter table detection_records attach partition partitions.%I for values from (%L) to (%L)', name, day, until);
  return name;
end $$`;

export const PARTITIONS = [
  'create schema if not exists partitions',
  'create table partitions.detection_records_default partition of detection_records default',
  ensure,
];

/** Other tables may have their partitions in that schema too; whoever leaves it empty removes it. */
export const PARTITIONS_DOWN = [
  'drop function if exists ensure_detection_partition(timestamptz)',
  `do $$ begin
  if not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'partitions') then
    drop schema if exists partitions;
  end if;
end $$`,
];

/** Records are never changed, so they have no trigger. */
export const TRIGGERS = [
  'violation_events',
  'statistics_hourly',
  'alert_rules',
  'alert_history',
  'alert_states',
  'cameras',
  'detection_sessions',
  'detection_frames',
  'detection_minutes',
  'camera_live',
].map((table) => `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`);

/** What is asked most: the violations of the last 24 hours with their camera, and days (UTC) of the statistics. */
export const VIEWS = [
  `create view v_recent_violations as
   select v.id, v.camera_id, c.name as camera_name, v.violation_type, v.confidence, v.severity, v.status, v.track_id, v.timestamp, v.last_seen, v.ended_at, v.frames,
     extract(epoch from v.last_seen - v.timestamp)::float8 as duration_s, v.handled_by, v.notes
   from violation_events v join cameras c on c.id = v.camera_id where v.timestamp > now() - interval '24 hours'`,
  `create view v_daily_statistics as
   select camera_id, (hour_start at time zone 'UTC')::date as day, sum(total_frames)::int8 as total_frames, sum(person_frames)::int8 as person_frames,
     max(persons_max) as persons_max, sum(violating_person_frames)::int8 as violating_person_frames, sum(hairnet_violations)::int8 as hairnet_violations,
     sum(violations_opened)::int8 as violations_opened,
     (1 - sum(violating_person_frames)::float8 / nullif(sum(person_frames), 0))::float8 as compliance
   from statistics_hourly group by 1, 2`,
];

export const VIEWS_DOWN = ['drop view if exists v_recent_violations, v_daily_statistics'];
