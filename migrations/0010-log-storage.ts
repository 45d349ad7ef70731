/**
 * Segments by month in the schema `partitions`. A month gets its partition when its first row is about to come; rows that came earlier, into the default partition
 * (a restored dump, say), are moved there. Months far from now stay in the default partition, so that no clock gone wrong makes thousands of tables.
 */
const ensure = `create function ensure_segment_partition(at timestamptz) returns text language plpgsql as $$
declare
  month timestamptz := date_trunc('month', at, 'UTC');
  until timestamptz := (date_trunc('month', at at time zone 'UTC') + interval '1 month') at time zone 'UTC';
  name text := 'container_log_segment_' || to_char(at at time zone 'UTC', 'YYYYMM');
begin
  if at < now() - interval '25 months' or at > now() + interval '40 days' then return null; end if;
  if to_regclass('partitions.' || name) is not null then return name; end if;
  perform pg_advisory_xact_lock(hashtext('ensure_segment_partition'));
  if to_regclass('partitions.' || name) is not null then return name; end if;
  execute format('create table partitions.%I (like container_log_segment including defaults including constraints)', name);
  execute format('with moved as (delete from partitions.container_log_segment_default where filed_at >= %L and filed_at < %L returning *)
    insert into partitions.%I select * from moved', month, until, name);
  execute format('alter table container_log_segment attach partition partitions.%I for values from (%L) to (%L)', name, month, until);
  return name;
end $$`;

/** Statistics follow the segments in the same transaction; keys are taken in one order, so that writers never wait in a ring. */
const count = `create function count_segments() returns trigger language plpgsql as $$
begin
  insert into log_stats_hourly (container_id, hour, severity_level, component, segment_type, count, created_at, updated_at)
  select container_id, date_trunc('hour', logged_at, 'UTC'), severity_level, coalesce(component, ''), min(segment_type), count(*), clock_timestamp(), clock_timestamp()
  from added group by 1, 2, 3, 4 order by 1, 2, 3, 4
  on conflict (container_id, hour, severity_level, component) do update
    set count = log_stats_hourly.count + excluded.count, updated_at = clock_timestamp();
  return null;
end $$`;

const discount = `create function discount_segments() returns trigger language plpgsql as $$
begin
  insert into log_stats_hourly (container_id, hour, severity_level, component, segment_type, count)
  select container_id, date_trunc('hour', logged_at, 'UTC'), severity_level, coalesce(component, ''), min(segment_type), 0
  from removed group by 1, 2, 3, 4 order by 1, 2, 3, 4
  on conflict (container_id, hour, severity_level, component) do update set updated_at = clock_timestamp();
  update log_stats_hourly s set count = s.count - r.n from (
    select container_id, date_trunc('hour', logged_at, 'UTC') as hour, severity_level, coalesce(component, '') as component, count(*) as n
    from removed group by 1, 2, 3, 4) r
  where (s.container_id, s.hour, s.severity_level, s.component) = (r.container_id, r.hour, r.severity_level, r.component);
  return null;
end $$`;

export const PARTITIONS = [
  'create schema if not exists partitions',
  'create table partitions.container_log_segment_default partition of container_log_segment default',
  ensure,
  count,
  discount,
  `create trigger count_segments after insert on container_log_segment referencing new table as added for each statement execute function count_segments()`,
  `create trigger discount_segments after delete on container_log_segment referencing old table as removed for each statement execute function discount_segments()`,
];

/**
 * Search for parts of words needs pg_trgm, which the embedded server ships. A server that lacks it, or keeps it from us, gets no index: the search
 * then reads the rows that the other filters leave.
 */
export const TEXT_SEARCH = [
  `do $$
declare place text;
begin
  begin
    if not exists (select from pg_extension where extname = 'pg_trgm') then
      create schema if not exists text_search;
      create extension pg_trgm schema text_search;
    end if;
  exception when insufficient_privilege or undefined_file or feature_not_supported or invalid_schema_name then
    raise notice 'pg_trgm is not to be had here (%): text search in segments goes without an index', sqlerrm;
    return;
  end;
  select n.nspname into place from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm';
  execute format('create index idx_container_log_segment_text on container_log_segment using gin (content %I.gin_trgm_ops)', place);
end $$`,
];

/** What the documents ask of views: counts by container and type, the trend by hour, operations on images, containers with their images. */
export const VIEWS = [
  `create view container_log_statistics as select container_id, segment_type, sum(count)::int8 as count, min(hour) as first_hour, max(hour) as last_hour
   from log_stats_hourly where count > 0 group by container_id, segment_type`,
  `create view container_log_trend as select hour, segment_type, sum(count)::int8 as count from log_stats_hourly where count > 0 group by hour, segment_type`,
  `create view docker_image_operations as select operation, status, count(*)::int8 as count, avg(duration_ms)::float8 as mean_duration_ms, max(created_at) as last_at
   from docker_image_log group by operation, status`,
  `create view docker_container_images as select c.docker_id, c.container_id, c.container_name, c.status, c.image_id, c.image_name, i.repo_tags, i.size, i.digest,
     c.started_at, c.finished_at, c.removed_at, i.removed_at as image_removed_at
   from docker_container c left join docker_image i on i.docker_id = c.docker_id and i.image_id = c.image_id`,
];

export const DROP_PARTITIONS = [
  'drop view if exists container_log_statistics, container_log_trend, docker_image_operations, docker_container_images',
  'drop table if exists container_log_segment cascade',
  'drop function if exists ensure_segment_partition(timestamptz), count_segments(), discount_segments()',
  'drop schema if exists partitions cascade',
  'drop schema if exists text_search cascade',
];
