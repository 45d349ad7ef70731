import { breakClocks, events, FINAL, fire, HALTED, ms, pause, stageAt, start, stop } from './0008-clock-life.ts';

/**
 * The clocks of tasks. Everything here is set-based over tasks whose rows the caller has locked, derives what should be from the rows as they are, and may be
 * repeated at any time. Met or broken is decided by stored time stamps: a clock is met when it stopped at or before its due time, whoever looks, and when.
 */

const treeAt = `create function sla_tree_at(tree jsonb, leaves jsonb) returns timestamptz language plpgsql stable as $$
declare
  at timestamptz;
begin
  if jsonb_typeof(tree) = 'string' then
    return (leaves ->> (tree #>> '{}'))::timestamptz;
  elsif tree ? 'any' then
    select min(sla_tree_at(x, leaves)) into at from jsonb_array_elements(tree -> 'any') x;
  else
    select case when count(*) = count(v) then max(v) end into at from (select sla_tree_at(x, leaves) as v from jsonb_array_elements(tree -> 'all') x) m;
  end if;
  return at;
end $$`;

const combine = `create function sla_combine(tasks_hit uuid[]) returns void language plpgsql as $$
declare
  ids bigint[];
  instants timestamptz[];
begin
  if not exists (select 1 from sla_clocks where task_id = any(tasks_hit) and kind in ('all', 'any') and stopped_at is null) then return; end if;
  with c as (
    select c.id, c.task_id, sla_tree_at(k.tree, l.broken) as at from sla_clocks c join sla_conditions k on k.id = c.condition_id, lateral (
      select coalesce(jsonb_object_agg(x.path, x.at), '{}') as broken from (
        select m.path, min(e.broken_at) as at from sla_conditions m join sla_clocks e on e.condition_id = m.id
        where m.sla_version_id = k.sla_version_id and m.parent = k.path and e.task_id = c.task_id and e.eligible_at = c.eligible_at and e.broken_at is not null
        group by m.path) x) l
    where c.task_id = any(tasks_hit) and c.kind in ('all', 'any') and c.stopped_at is null and c.broken_at is null)
  select array_agg(id), array_agg(at) into ids, instants from c where at is not null;
  if ids is not null then perform sla_break(ids, instants, 'combined'); end if;
  with x as (
    select c.id, coalesce(l.at, t.completed_at, clock_timestamp()) as at, t.status from sla_clocks c join sla_conditions k on k.id = c.condition_id
      join tasks t on t.uuid = c.task_id, lateral (
        select max(e.stopped_at) as at, bool_or(e.stopped_at is null) as open from sla_conditions m join sla_clocks e on e.condition_id = m.id
        where m.sla_version_id = k.sla_version_id and m.parent = k.path and e.task_id = c.task_id) l
    where c.task_id = any(tasks_hit) and c.kind in ('all', 'any') and c.stopped_at is null
      and (t.status in ${FINAL} or c.eligible_at <> t.eligible_at) and l.open is not true)
  update sla_clocks c set stopped_at = x.at, note = case x.status when 'completed' then 'met' else x.status end,
    state = case when c.broken_at is not null then 'broken' when x.status = 'completed' then 'met' else 'void' end
  from x where c.id = x.id;
end $$`;

/**
 * When the work of these tasks becomes unlikely to end in time: for what waits, the last instant at which it would have to start; for what runs, at once when its
 * usual end is too late. An instant that has passed is told before it is moved.
 */
const outlook = `create function sla_outlook(tasks_hit uuid[]) returns void language plpgsql as $$
declare
  ids bigint[];
begin
  select array_agg(id) into ids from sla_clocks where task_id = any(tasks_hit) and kind = 'at_risk' and stopped_at is null and broken_at is null;
  if ids is null then return; end if;
  perform sla_fire(ids, clock_timestamp());
  update sla_clocks c set limit_ms = ${ms('o.at - c.started_at')}, due_at = o.at, next_at = o.at, state = case when o.known then 'running' else 'inactive' end
  from (
    select c.id, r.samples >= k.min_samples and e.due_at is not null as known, case
      when r.samples < k.min_samples or e.paused_at is not null then null
      when i.start_time is null then e.due_at - make_interval(secs => k.margin_ms / 1000.0 + r.p90_s)
      when i.start_time + make_interval(secs => k.margin_ms / 1000.0 + r.p90_s) > e.due_at then i.start_time end as at
    from sla_clocks c join sla_conditions k on k.id = c.condition_id join tasks t on t.uuid = c.task_id
      left join template_runtimes r on r.template = t.template
      left join sla_conditions m on m.sla_version_id = k.sla_version_id and m.path = k.of_path
      left join sla_clocks e on e.task_id = c.task_id and e.condition_id = m.id and e.stopped_at is null
      left join instances i on i.task_id = t.uuid and i.attempt = t.attempt and t.status = 'processing'
    where c.id = any(ids)) o
  where c.id = o.id and c.broken_at is null;
end $$`;

const resolve = `create function sla_resolve(tasks_hit uuid[]) returns void language plpgsql as $$
begin
  update breaches b set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = 'engine', snoozed_until = null, note = 'task ' || t.status, seq = null
  from tasks t where b.task_id = t.uuid and t.uuid = any(tasks_hit) and t.status in ('completed', 'cancelled') and b.state <> 'resolved';
end $$`;

/** Brings the clocks of these tasks to what their rows say. */
const settle = `create function sla_settle(ids uuid[]) returns void language plpgsql as $$
declare
  hit uuid[];
begin
  select array_agg(distinct task_id) into hit from task_slas where task_id = any(ids);
  if hit is null then return; end if;
  perform 1 from sla_clocks where task_id = any(hit) and stopped_at is null order by id for no key update;
  perform sla_events(hit);
  perform sla_stop(hit);
  perform sla_start(hit);
  perform sla_pause(hit);
  perform sla_outlook(hit);
  perform sla_combine(hit);
  perform sla_resolve(hit);
end $$`;

/**
 * Tells of what is overdue although nothing happened to the task. The task's row is the lock between this and whoever ends an attempt: those lock it before they take
 * their time stamp. So what is found running here ends later than now. Two milliseconds of patience, since stored times are rounded to one.
 * All in one call, with what the caller asks next: `done` stages, whether there may be `more`, and in how many milliseconds the next one is due.
 */
const sweep = `create function sla_sweep(batch int) returns table (done int, more boolean, next_ms float8) language plpgsql as $$
declare
  hit uuid[];
  due bigint[];
  moment timestamptz;
  asserted bigint[];
  wrong bigint[];
  wrong_at timestamptz[];
begin
  select array_agg(distinct task_id) into hit from (
    select c.task_id from sla_clocks c join tasks t on t.uuid = c.task_id
    where c.next_at < clock_timestamp() - interval '2 milliseconds' order by c.next_at limit batch for no key update of t skip locked) x;
  perform 1 from sla_clocks where task_id = any(hit) and stopped_at is null order by id for no key update;
  moment := clock_timestamp() - interval '2 milliseconds';
  select array_agg(id) into due from sla_clocks where task_id = any(hit) and next_at < moment;
  if due is not null then perform sla_fire(due, moment); end if;
  select array_agg(id) into asserted from sla_clocks where id = any(due) and kind = 'assertion' and stopped_at is null;
  if asserted is not null then
    update sla_clocks c set stopped_at = c.next_at, next_at = null, note = 'met' where c.id = any(asserted);
    select array_agg(c.id), array_agg(c.stopped_at) into wrong, wrong_at from sla_clocks c join sla_conditions k on k.id = c.condition_id join tasks t on t.uuid = c.task_id
      left join instances i on i.task_id = t.uuid and i.attempt = t.attempt
      where c.id = any(asserted) and jsonb_path_match(jsonb_build_object('result', t.result, 'parameters', t.parameters, 'tags', t.tags,
        'run_s', extract(epoch from i.end_time - i.start_time)), k.assertion::jsonpath, '{}', true) is not true;
    if wrong is not null then perform sla_break(wrong, wrong_at, 'assertion'); end if;
    update sla_clocks set state = 'met' where id = any(asserted) and broken_at is null;
  end if;
  if due is not null then perform sla_combine(hit); end if;
  done := coalesce(cardinality(due), 0);
  more := coalesce(cardinality(hit), 0) >= batch;
  next_ms := (select extract(epoch from min(next_at) - clock_timestamp()) * 1000 from sla_clocks where next_at is not null);
  return next;
end $$`;

/** Clocks whose pause was left out because somebody had them locked. */
const repair = `create function sla_repair() returns int language plpgsql as $$
declare
  hit uuid[];
begin
  if not exists (select 1 from queues where status = 'hold' union all select 1 from pools where status = 'hold')
    and not exists (select 1 from sla_clocks where paused_at is not null and stopped_at is null) then return 0; end if;
  select array_agg(distinct task_id) into hit from (
    select c.task_id from queues q join pools o on o.name = q.pool join tasks t on t.queue = q.name and t.status in ('pending', 'queued')
      join sla_clocks c on c.task_id = t.uuid and c.stopped_at is null and c.paused_at is null and c.due_at is not null
      join sla_conditions k on k.id = c.condition_id and k.pause_aware
    where q.status = 'hold' or o.status = 'hold'
    union all
    select c.task_id from sla_clocks c join tasks t on t.uuid = c.task_id join queues q on q.name = t.queue join pools o on o.name = q.pool
    where c.paused_at is not null and c.stopped_at is null and not (${HALTED})
    limit 1000) x;
  if hit is null then return 0; end if;
  perform sla_pause(hit);
  return cardinality(hit);
end $$`;

/** Clocks of waiting tasks whose end may become unlikely (`risky`), their queues (`lines`), and how much work stands before each waiting task (`line`). */
export const AT_RISK = `risky as (
    select c.id, c.task_id, t.queue, t.template, e.due_at, k.margin_ms, k.min_samples
    from sla_clocks c join tasks t on t.uuid = c.task_id and t.status = 'queued' join sla_conditions k on k.id = c.condition_id
      join sla_conditions m on m.sla_version_id = k.sla_version_id and m.path = k.of_path
      join sla_clocks e on e.task_id = c.task_id and e.condition_id = m.id and e.stopped_at is null and e.paused_at is null and e.due_at is not null
    where c.kind = 'at_risk' and c.stopped_at is null and c.broken_at is null),
  lines as (
    select q.name, greatest(1, case when q.current_load > 0 then q.current_load else q.capacity end) as slots, (
        select coalesce(sum(greatest(0, coalesce(r.p50_s, 0) - extract(epoch from clock_timestamp() - i.start_time)::float8)), 0)
        from instances i join tasks t on t.uuid = i.task_id left join template_runtimes r on r.template = t.template
        where t.queue = q.name and t.status = 'processing' and i.status in ('starting', 'running')) as running_s
    from queues q where q.name in (select queue from risky)),
  line as (
    select t.uuid, coalesce(sum(coalesce(r.p50_s, 0)) over (partition by t.queue order by t.vtime, t.uuid rows between unbounded preceding and 1 preceding), 0) as ahead_s
    from tasks t left join template_runtimes r on r.template = t.template where t.status = 'queued' and t.queue in (select name from lines))`;

/**
 * Looks ahead: tasks whose place in the line lets them start too late, by the usual run times of what is before them. Their clock is brought
 * forward to now; the sweep that follows tells of it. One process at a time.
 */
const predict = `create function sla_predict() returns int language plpgsql as $$
declare
  n int;
begin
  if not exists (select 1 from sla_clocks where kind = 'at_risk' and stopped_at is null) or not pg_try_advisory_xact_lock(hashtext('sla_predict')) then return 0; end if;
  with ${AT_RISK},
  late as (
    select risky.id, clock_timestamp()::timestamptz(3) as at
    from risky join line on line.uuid = risky.task_id join lines on lines.name = risky.queue join template_runtimes r on r.template = risky.template
    where r.samples >= risky.min_samples
      and clock_timestamp() + make_interval(secs => (line.ahead_s + lines.running_s) / lines.slots + r.p90_s + risky.margin_ms / 1000.0) > risky.due_at),
  free as (select c.id from sla_clocks c join late on late.id = c.id where c.broken_at is null and c.stopped_at is null order by c.id for no key update of c skip locked)
  update sla_clocks c set limit_ms = ${ms('late.at - c.started_at')}, due_at = late.at, next_at = late.at, state = 'running'
    from late join free on free.id = late.id where c.id = late.id and (c.next_at is null or c.next_at > late.at);
  get diagnostics n = row_count;
  return n;
end $$`;

/**
 * Plans of these are kept by each connection for as long as it lives; one made while the tables were small would read them whole, for every task of a batch, when they have grown.
 */
export const byIndex = (functions: readonly string[]): string[] =>
  functions.flatMap((name) => [`alter function ${name} set enable_seqscan = off`, `alter function ${name} set enable_material = off`]);

/** These look at everything, once in a while: they are planned each time, for tables as large as they are then. */
const PLANNED_ANEW = ['sla_sweep(int)', 'sla_repair()', 'sla_predict()'].map(
  (name) => `alter function ${name} set plan_cache_mode = force_custom_plan`,
);

const BY_INDEX = [
  'sla_fire(bigint[], timestamptz)',
  'sla_break(bigint[], timestamptz[], text)',
  'sla_start(uuid[])',
  'sla_pause(uuid[])',
  'sla_stop(uuid[])',
  'sla_events(uuid[])',
  'sla_combine(uuid[])',
  'sla_outlook(uuid[])',
  'sla_resolve(uuid[])',
  'sla_settle(uuid[])',
  'sla_sweep(int)',
];

export const SLA_CLOCKS = [
  stageAt,
  fire,
  breakClocks,
  start,
  pause,
  stop,
  events,
  treeAt,
  combine,
  outlook,
  resolve,
  settle,
  sweep,
  repair,
  predict,
  ...byIndex(BY_INDEX),
  ...PLANNED_ANEW,
];

export const SLA_CLOCKS_DOWN = [
  'sla_predict()',
  'sla_repair()',
  'sla_sweep(int)',
  'sla_settle(uuid[])',
  'sla_resolve(uuid[])',
  'sla_outlook(uuid[])',
  'sla_combine(uuid[])',
  'sla_tree_at(jsonb, jsonb)',
  'sla_events(uuid[])',
  'sla_stop(uuid[])',
  'sla_pause(uuid[])',
  'sla_start(uuid[])',
  'sla_break(bigint[], timestamptz[], text)',
  'sla_fire(bigint[], timestamptz)',
  'sla_stage_at(timestamptz, bigint, bigint, int)',
].map((name) => `drop function if exists ${name}`);
