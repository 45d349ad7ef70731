/**
 * The clocks of a task as one instant: its queue clock runs while it is queued, its total clock from eligibility to the end. Null while none runs.
 * Tasks without such clocks do not call the function.
 */
const keepDue = `create function keep_task_due() returns trigger language plpgsql as $$
begin
  new.due_at := least(
    case when new.status = 'queued' then new.queued_at + make_interval(secs => new.queue_timeout_s) end,
    case when new.status in ('pending', 'queued', 'processing') and new.waits_for = 0
      then new.eligible_at + make_interval(secs => new.total_timeout_s) end);
  return new;
end $$`;

export const CLOCKS = [
  keepDue,
  `create trigger keep_due before insert or update on tasks for each row
    when (new.queue_timeout_s is not null or new.total_timeout_s is not null or new.due_at is not null) execute function keep_task_due()`,
];

/**
 * Everything that the tasks just ended (`changed`) settle: the open dependencies on them and, transitively, on the tasks that are cancelled
 * because an upstream did not succeed.
 */
const SETTLED = `
    with recursive ended as (
      select c.uuid, c.status <> 'completed' as badly from changed c where c.status in ('completed', 'failed', 'cancelled')
      union
      select d.task_id, true from ended e
        join task_dependencies d on d.upstream_id = e.uuid and d.state = 'open' and d.condition = 'succeeded'
        join tasks t on t.uuid = d.task_id and t.status in ('pending', 'queued')
      where e.badly)
    select d.task_id, d.upstream_id, e.badly and d.condition = 'succeeded' as broken
    from ended e join task_dependencies d on d.upstream_id = e.uuid and d.state = 'open'`;

/**
 * Settles what waits for tasks that have just become final, in the same transaction, whoever ended them. Dependents are locked in the order of
 * their ids, which is upstream first; what was found before the locks is looked up again after them. The updates made here do not call it again:
 * the closure above already holds everything that follows.
 */
const settle = `create function settle_dependents() returns trigger language plpgsql as $$
declare
  tasks_hit uuid[];
  upstreams uuid[];
  breaks boolean[];
begin
  if not exists (select 1 from changed c join task_dependencies d on d.upstream_id = c.uuid and d.state = 'open'
      where c.status in ('completed', 'failed', 'cancelled')) then
    return null;
  end if;
  select array_agg(h.task_id) into tasks_hit from (${SETTLED}) h;
  perform 1 from tasks where uuid = any(tasks_hit) order by uuid for no key update;
  select array_agg(h.task_id), array_agg(h.upstream_id), array_agg(h.broken) into tasks_hit, upstreams, breaks from (${SETTLED}) h;
  update task_dependencies d set state = case when h.broken then 'broken' else 'met' end, updated_at = now()
    from unnest(tasks_hit, upstreams, breaks) as h(task_id, upstream_id, broken)
    where d.task_id = h.task_id and d.upstream_id = h.upstream_id;
  with h as (
    select task_id, bool_or(broken) as broken from unnest(tasks_hit, breaks) as h(task_id, broken) group by task_id),
  plan as (
    select t.uuid, t.status, t.pending_reason, n.open, q.step_s, t.status not in ('pending', 'queued') as final, h.broken,
      greatest(clock_timestamp(), t.not_before) as eligible_at,
      case when t.held_at is not null then 'hold' when n.open > 0 then 'dependency' when t.not_before > clock_timestamp() then 'not_before' end as reason
    from h join tasks t on t.uuid = h.task_id join queues q on q.name = t.queue,
      lateral (select count(*)::int4 as open from task_dependencies d where d.task_id = t.uuid and d.state = 'open') n),
  t as (
    update tasks set
      waits_for = plan.open,
      status = case when plan.final then tasks.status when plan.broken then 'cancelled' when plan.reason is null then 'queued' else 'pending' end,
      pending_reason = case when not plan.final and not plan.broken then plan.reason end,
      status_reason = case when plan.broken and not plan.final then 'dependency_failed' else tasks.status_reason end,
      completed_at = case when plan.broken and not plan.final then clock_timestamp() else tasks.completed_at end,
      eligible_at = case when plan.open = 0 and not plan.final then plan.eligible_at else tasks.eligible_at end,
      vtime = case when plan.open = 0 and not plan.final
        then plan.eligible_at - make_interval(secs => tasks.priority * plan.step_s) else tasks.vtime end,
      queued_at = case when plan.reason is null and not plan.final and not plan.broken then clock_timestamp() else tasks.queued_at end
    from plan where tasks.uuid = plan.uuid
    returning tasks.uuid, tasks.user_id, tasks.quota_cost, tasks.status, tasks.pending_reason, plan.status as before, plan.pending_reason as reason_before),
  u as (
    update users set used_quota = greatest(0, used_quota - n.cost)
    from (select user_id, sum(quota_cost)::int4 as cost from t where status = 'cancelled' and before <> 'cancelled' and quota_cost > 0 group by user_id) n
    where users.id = n.user_id)
  insert into task_history (task_id, subject, from_status, to_status, reason, actor)
  select uuid, 'task', before, status, case when status = 'cancelled' then 'dependency_failed' else coalesce(pending_reason, 'dependency') end, 'dependencies'
  from t where status <> before or pending_reason is distinct from reason_before order by uuid;
  return null;
end $$`;

export const DEPENDENTS = [
  settle,
  `create trigger settle_dependents after update on tasks referencing new table as changed for each statement
    when (pg_trigger_depth() = 0) execute function settle_dependents()`,
];

export const DEPENDENTS_DOWN = [
  'drop trigger if exists settle_dependents on tasks',
  'drop trigger if exists keep_due on tasks',
  'drop function if exists settle_dependents()',
  'drop function if exists keep_task_due()',
];
