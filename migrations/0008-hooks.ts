import { byIndex } from './0008-clocks.ts';

/**
 * What no writer may forget: tasks are pinned to the SLAs that apply when they become eligible, and their clocks follow every change of state, whoever
 * makes it. Without SLAs each statement pays for one look into an empty table.
 */

/** Which SLA applies through what; the nearest counts where one applies twice. What an SLA had run itself is outside its scope. */
const pin = `create function sla_pin(ids uuid[], which int default null) returns void language plpgsql as $$
begin
  perform sla_stop(array(select distinct task_id from task_slas where task_id = any(ids)));
  with recursive cause as (
    select t.uuid, b.sla_id, b.task_id, 1 as depth from tasks t join breaches b on b.id = t.caused_by where t.uuid = any(ids)
    union all
    select c.uuid, b.sla_id, b.task_id, c.depth + 1 from cause c join tasks t on t.uuid = c.task_id join breaches b on b.id = t.caused_by where c.depth < 10)
  insert into task_slas (task_id, sla_id, sla_version_id, scope, eligible_at)
  select distinct on (t.uuid, s.id) t.uuid, s.id, v.id, b.scope, t.eligible_at
  from tasks t join queues q on q.name = t.queue join pools o on o.name = q.pool join templates m on m.name = t.template
    left join backfills f on f.id = t.source_id left join schedules c on c.id = coalesce(f.schedule_id, t.source_id),
    lateral (values (t.sla_id, 'task:' || t.uuid, 1), (c.sla_id, 'schedule:' || c.id, 2), (m.sla_id, 'template:' || m.name, 3),
      (q.sla_id, 'queue:' || q.name, 4), (o.sla_id, 'pool:' || o.name, 5)) as b(sla_id, scope, rank)
    join slas s on s.id = b.sla_id and s.enabled and s.deleted_at is null and s.id = coalesce(which, s.id)
    join sla_versions v on v.sla_id = s.id and v.version = s.current_version
  where t.uuid = any(ids) and t.eligible_at <= clock_timestamp() + interval '1 second'
    and not exists (select 1 from cause where cause.uuid = t.uuid and cause.sla_id = s.id)
  order by t.uuid, s.id, b.rank
  on conflict (task_id, sla_id) do update set eligible_at = excluded.eligible_at, scope = excluded.scope, updated_at = now(),
    sla_version_id = case when exists (select 1 from sla_clocks e where e.task_id = excluded.task_id and e.sla_id = excluded.sla_id and e.stopped_at is null)
      then task_slas.sla_version_id else excluded.sla_version_id end
    where task_slas.eligible_at <> excluded.eligible_at or task_slas.scope <> excluded.scope;
  perform sla_settle(ids);
end $$`;

/** A task that a breach had run leaves the scope of that breach's SLA, and of those before it. */
const unpin = `create function sla_unpin_caused(ids uuid[]) returns void language plpgsql as $$
begin
  with recursive cause as (
    select t.uuid, b.sla_id, b.task_id, 1 as depth from tasks t join breaches b on b.id = t.caused_by where t.uuid = any(ids)
    union all
    select c.uuid, b.sla_id, b.task_id, c.depth + 1 from cause c join tasks t on t.uuid = c.task_id join breaches b on b.id = t.caused_by where c.depth < 10),
  k as (delete from sla_clocks e using cause where e.task_id = cause.uuid and e.sla_id = cause.sla_id)
  delete from task_slas p using cause where p.task_id = cause.uuid and p.sla_id = cause.sla_id;
end $$`;

const taskAdded = `create function sla_task_added() returns trigger language plpgsql as $$
declare
  ids uuid[];
begin
  if not exists (select 1 from slas where enabled) then return null; end if;
  select array_agg(uuid) into ids from fresh where status = 'queued';
  if ids is not null then perform sla_pin(ids); end if;
  return null;
end $$`;

const taskChanged = `create function sla_task_changed() returns trigger language plpgsql as $$
declare
  caused uuid[];
  eligible uuid[];
  moved uuid[];
begin
  if not exists (select 1 from slas) then return null; end if;
  select array_agg(n.uuid) filter (where n.caused_by is distinct from o.caused_by),
    array_agg(n.uuid) filter (where n.status = 'queued' and ((o.status <> 'queued' and n.attempt = 0) or n.eligible_at <> o.eligible_at
      or n.source_id is distinct from o.source_id or n.sla_id is distinct from o.sla_id)),
    array_agg(n.uuid) filter (where n.status <> o.status or n.attempt <> o.attempt or n.eligible_at <> o.eligible_at or n.queue <> o.queue
      or n.pending_reason is distinct from o.pending_reason)
  into caused, eligible, moved from fresh n join stale o on o.uuid = n.uuid;
  if caused is not null then perform sla_unpin_caused(caused); end if;
  if eligible is not null then perform sla_pin(eligible); end if;
  if moved is not null then perform sla_settle(array(select x from unnest(moved) x where x <> all(coalesce(eligible, '{}')))); end if;
  return null;
end $$`;

/** Every other change of an instance comes with one of its task. */
const instanceBegun = `create function sla_instance_begun() returns trigger language plpgsql as $$
declare
  ids uuid[];
begin
  if not exists (select 1 from slas) then return null; end if;
  select array_agg(n.task_id) into ids from fresh n join stale o on o.runid = n.runid where n.status = 'running' and o.status = 'starting';
  if ids is not null then perform sla_settle(ids); end if;
  return null;
end $$`;

const doorMoved = `create function sla_door_moved() returns trigger language plpgsql as $$
begin
  perform sla_pause(array(
    select t.uuid from queues q join tasks t on t.queue = q.name and t.status in ('pending', 'queued')
    where case tg_table_name when 'queues' then q.name = new.name else q.pool = new.name end
      and exists (select 1 from task_slas p where p.task_id = t.uuid)));
  return null;
end $$`;

const actions = `create function sla_plan_actions() returns trigger language plpgsql as $$
begin
  insert into breach_actions (breach_id, no, kind, args) select new.id, a.no, a.kind, a.args from sla_actions a
    where a.sla_version_id = new.sla_version_id and a.stage = new.stage and coalesce(a.condition, new.condition) = new.condition order by a.no;
  return null;
end $$`;

const since = `create function note_sla_since() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.sla_id is distinct from old.sla_id then
    new.sla_since := case when new.sla_id is not null then clock_timestamp() end;
  end if;
  return new;
end $$`;

const enabled = `create function note_sla_enabled() returns trigger language plpgsql as $$
begin
  if new.enabled and not old.enabled then new.enabled_at := clock_timestamp(); end if;
  return new;
end $$`;

/** Whoever changes the status of a queue or schedule by other means than the engine's own return takes the appointment away. */
const appointment = `create function drop_appointment() returns trigger language plpgsql as $$
begin
  if new.resume_at is not distinct from old.resume_at then
    new.resume_at := null;
    new.held_by := null;
  end if;
  return new;
end $$`;

/**
 * Moves open tasks to the current version of an SLA, whose rows the caller has locked. A clock whose condition says the same goes on, with what it has told already; others end
 * and the new version's start where they would have started. Tasks that are in scope and were not pinned are pinned; those no longer in scope are let go.
 */
const rebind = `create function sla_rebind(which int, ids uuid[]) returns table (moved int, added int, released int) language plpgsql as $$
declare
  target bigint;
  in_scope uuid[];
  known uuid[];
  old_ones uuid[];
begin
  select v.id into target from slas s join sla_versions v on v.sla_id = s.id and v.version = s.current_version where s.id = which and s.enabled and s.deleted_at is null;
  select coalesce(array_agg(t.uuid), '{}') into in_scope from tasks t join queues q on q.name = t.queue join pools o on o.name = q.pool join templates m on m.name = t.template
    left join backfills f on f.id = t.source_id left join schedules c on c.id = coalesce(f.schedule_id, t.source_id)
    where t.uuid = any(ids) and target is not null and which in (t.sla_id, c.sla_id, m.sla_id, q.sla_id, o.sla_id);
  select coalesce(array_agg(task_id), '{}'), coalesce(array_agg(task_id) filter (where sla_version_id <> target), '{}') into known, old_ones
    from task_slas where task_id = any(ids) and sla_id = which;
  perform 1 from sla_clocks where task_id = any(known) and sla_id = which and stopped_at is null order by id for no key update;
  update sla_clocks c set condition_id = n.id from sla_conditions k join sla_conditions n on n.sla_version_id = target and n.path = k.path and n.name = k.name
      and n.fingerprint = k.fingerprint and n.stages = k.stages and n.on_failure = k.on_failure
    where c.condition_id = k.id and c.task_id = any(old_ones) and c.sla_id = which and c.task_id = any(in_scope) and n.id <> k.id;
  update sla_clocks c set stopped_at = clock_timestamp(), next_at = null, note = case when c.task_id = any(in_scope) then 'rebound' else 'released' end,
      state = case when c.broken_at is null then 'void' else 'broken' end
    from sla_conditions k where k.id = c.condition_id and c.sla_id = which and c.stopped_at is null and c.task_id = any(known)
      and (k.sla_version_id <> target or not c.task_id = any(in_scope));
  update task_slas set sla_version_id = target, updated_at = now() where sla_id = which and task_id = any(old_ones) and task_id = any(in_scope);
  delete from task_slas where sla_id = which and task_id = any(known) and not task_id = any(in_scope);
  perform sla_pin(array(select x from unnest(in_scope) x where x <> all(known)), which);
  perform sla_settle(in_scope);
  moved := cardinality(array(select x from unnest(old_ones) x where x = any(in_scope)));
  added := (select count(*) from task_slas where sla_id = which and task_id = any(in_scope) and task_id <> all(known));
  released := cardinality(array(select x from unnest(known) x where x <> all(in_scope)));
  return next;
end $$`;

const BOUND = ['pools', 'queues', 'templates', 'schedules'];
const TOUCHED = ['task_slas', 'sla_clocks', 'breaches', 'breach_actions', 'sla_watches', 'sla_deadlines'];

export const SLA_HOOKS = [
  pin,
  unpin,
  taskAdded,
  taskChanged,
  instanceBegun,
  doorMoved,
  actions,
  since,
  enabled,
  appointment,
  rebind,
  ...byIndex(['sla_pin(uuid[], int)', 'sla_unpin_caused(uuid[])', 'sla_rebind(int, uuid[])']),
  `create trigger sla_added after insert on tasks referencing new table as fresh for each statement execute function sla_task_added()`,
  `create trigger sla_changed after update on tasks referencing old table as stale new table as fresh for each statement execute function sla_task_changed()`,
  `create trigger sla_begun after update on instances referencing old table as stale new table as fresh for each statement execute function sla_instance_begun()`,
  ...['queues', 'pools'].map(
    (table) => `create trigger sla_door_moved after update of status on ${table} for each row
      when (old.status <> new.status and 'hold' in (old.status, new.status)) execute function sla_door_moved()`,
  ),
  `create trigger sla_plan_actions after insert on breaches for each row execute function sla_plan_actions()`,
  ...BOUND.map(
    (table) => `create trigger note_sla_since before insert or update of sla_id on ${table} for each row execute function note_sla_since()`,
  ),
  `create trigger note_sla_enabled before update of enabled on slas for each row execute function note_sla_enabled()`,
  ...['queues', 'schedules'].map(
    (table) =>
      `create trigger drop_appointment before update of status on ${table} for each row when (old.status <> new.status and old.resume_at is not null) execute function drop_appointment()`,
  ),
  ...TOUCHED.map((table) => `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`),
  ...['sla_conditions', 'sla_actions'].map(
    (table) => `create trigger refuse_update before update on ${table} for each row execute function refuse_change()`,
  ),
];

export const SLA_HOOKS_DOWN = [
  'drop trigger if exists sla_added on tasks',
  'drop trigger if exists sla_changed on tasks',
  'drop trigger if exists sla_begun on instances',
  'drop trigger if exists sla_door_moved on queues',
  'drop trigger if exists sla_door_moved on pools',
  ...BOUND.map((table) => `drop trigger if exists note_sla_since on ${table}`),
  'drop trigger if exists note_sla_enabled on slas',
  'drop trigger if exists drop_appointment on queues',
  'drop trigger if exists drop_appointment on schedules',
  'drop trigger if exists sla_plan_actions on breaches',
  ...[
    'sla_rebind(int, uuid[])',
    'drop_appointment()',
    'note_sla_enabled()',
    'note_sla_since()',
    'sla_plan_actions()',
    'sla_door_moved()',
    'sla_instance_begun()',
    'sla_task_changed()',
    'sla_task_added()',
    'sla_unpin_caused(uuid[])',
    'sla_pin(uuid[], int)',
  ].map((name) => `drop function if exists ${name}`),
];
