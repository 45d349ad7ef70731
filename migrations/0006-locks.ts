/**
 * One order of locks for whoever ends or queues tasks: tasks (upstream first), then what their instances hold, then users, then concurrency keys. These functions are
 * volatile, so what each looks for is what is there when it is called, after the locks before it, not what was there when the statement began.
 */

/**
 * Locks all tasks that the end of others will settle, transitively where one ends badly, until nothing new is found. To be called with the ended tasks
 * locked, and before anything else is. Null, and nothing locked: several tasks were given and others wait for one of them. Such must be ended one at a time, or
 * their lines could be locked in opposite orders.
 */
const line = `create function lock_line(ended uuid[], badly boolean) returns uuid[] language plpgsql as $$
declare
  known uuid[];
  line uuid[] := '{}';
begin
  if not exists (select 1 from task_dependencies d where d.upstream_id = any(ended) and d.state = 'open') then
    return line;
  end if;
  if cardinality(ended) > 1 then
    return null;
  end if;
  loop
    known := line;
    with recursive l as (
      select ended[1] as uuid, true as ends
      union
      select d.task_id, badly and d.condition = 'succeeded' from l join task_dependencies d on d.upstream_id = l.uuid and d.state = 'open' where l.ends)
    select coalesce(array_agg(distinct l.uuid), '{}') into line from l where l.uuid <> ended[1];
    exit when line <@ known;
    perform 1 from tasks where uuid = any(line) order by uuid for no key update;
  end loop;
  return line;
end $$`;

/** Locks the concurrency keys of tasks that are about to take, seek or give back a place; those that nobody uses yet are made, in the same order. */
const keys = `create function lock_keys(of_tasks uuid[]) returns void language plpgsql as $$
declare
  wanted text[];
begin
  select array_agg(distinct t.concurrency_key) into wanted from tasks t where t.uuid = any(of_tasks) and t.concurrency_key is not null;
  if wanted is null then
    return;
  end if;
  if cardinality(wanted) = (select count(*) from concurrency_keys k where k.key = any(wanted)) then
    perform 1 from concurrency_keys k where k.key = any(wanted) order by k.key for no key update;
  else
    insert into concurrency_keys (key, capacity, on_limit)
    select distinct on (t.concurrency_key) t.concurrency_key, (v.concurrency->>'limit')::int, v.concurrency->>'on_limit'
    from tasks t join template_versions v on v.id = t.template_version_id
    where t.uuid = any(of_tasks) and t.concurrency_key is not null
    order by t.concurrency_key
    on conflict (key) do update set updated_at = now();
  end if;
end $$`;

/** Locks what the end of waiting tasks touches beside themselves: their users, where something may be refunded, then their keys. */
const costs = `create function lock_costs(of_tasks uuid[]) returns void language plpgsql as $$
begin
  perform 1 from users where id in (select user_id from tasks where uuid = any(of_tasks) and quota_cost > 0) order by id for no key update;
  perform lock_keys(of_tasks);
end $$`;

/**
 * Locks everything that cancelling several tasks in one transaction touches: the tasks and what waits for them, their live instances, users and keys. It touches no queue,
 * since instances that nobody has begun are left to their worker then.
 */
const several = `create function lock_to_cancel(of_tasks uuid[]) returns void language plpgsql as $$
declare
  known uuid[];
  line uuid[] := of_tasks;
begin
  loop
    known := line;
    with recursive l as (
      select unnest(of_tasks) as uuid
      union
      select d.task_id from l join task_dependencies d on d.upstream_id = l.uuid and d.state = 'open')
    select coalesce(array_agg(l.uuid), '{}') into line from l;
    perform 1 from tasks where uuid = any(line) order by uuid for no key update;
    exit when line <@ known;
  end loop;
  perform 1 from instances where task_id = any(of_tasks) and status in ('starting', 'running') order by runid for no key update;
  perform lock_costs(line);
end $$`;

export const LOCKS = [line, keys, costs, several];

export const LOCKS_DOWN = [
  'drop function if exists lock_to_cancel(uuid[])',
  'drop function if exists lock_costs(uuid[])',
  'drop function if exists lock_keys(uuid[])',
  'drop function if exists lock_line(uuid[], boolean)',
];
