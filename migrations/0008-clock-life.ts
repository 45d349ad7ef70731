/** The life of a task's clock: it starts, rests, stops, and tells of each stage that it reaches. Which of all that is due, `0008-clocks.ts` says. */

/** When a stage (per cent of the limit) of a clock is reached. */
export const stageAt = `create function sla_stage_at(started timestamptz, limit_ms bigint, paused_ms bigint, pct int) returns timestamptz language sql immutable as $$
  select (started + make_interval(secs => ((limit_ms * pct / 100.0 + paused_ms) / 1000)::float8))::timestamptz(3)
$$`;

const STAGE = (clock: string, pct: string): string => `sla_stage_at(${clock}.started_at, ${clock}.limit_ms, ${clock}.paused_ms, ${pct})`;
export const ms = (interval: string): string => `(extract(epoch from ${interval}) * 1000)::bigint`;
export const FINAL = `('completed', 'failed', 'cancelled')`;

/** A breach of a task: one row for each version, task, condition, stage and epoch. Of a task that has come to a good end it is resolved from the start. */
const BREACH_COLUMNS = `sla_id, sla_version_id, path, condition, kind, stage, epoch, subject_type, subject_id, scope, task_id, due_at, fired_at, detail, state, resolved_at, resolved_by`;
const breachOf = (
  due: string,
  stage: string,
  reason: string,
): string => `c.sla_id, k.sla_version_id, k.path, k.name, k.kind, ${stage}, c.epoch, 'task', c.task_id::text, p.scope, c.task_id, ${due}, clock_timestamp(),
  jsonb_strip_nulls(jsonb_build_object('reason', ${reason}, 'attempt', nullif(c.attempt, 0), 'started_at', c.started_at, 'limit_s', c.limit_ms / 1000.0, 'paused_s', nullif(c.paused_ms, 0) / 1000.0)),
  case when t.status in ('completed', 'cancelled') then 'resolved' else 'open' end,
  case when t.status in ('completed', 'cancelled') then clock_timestamp() end, case when t.status in ('completed', 'cancelled') then 'engine' end`;
const BREACH_FROM = `join sla_conditions k on k.id = c.condition_id and k.parent is null join tasks t on t.uuid = c.task_id
  join task_slas p on p.task_id = c.task_id and p.sla_id = c.sla_id`;

/** Tells of every stage of these clocks that lies before \`until\`, before the clock's stop and before its pause, and has not been told. */
export const fire = `create function sla_fire(ids bigint[], until timestamptz) returns void language plpgsql as $$
begin
  with s as (
    select c.id, n.n::int4 as n, n.pct, ${STAGE('c', 'n.pct')} as at
    from sla_clocks c join sla_conditions k on k.id = c.condition_id, unnest(k.stages) with ordinality as n(pct, n)
    where c.id = any(ids) and c.due_at is not null and n.n > c.stage
      and ${STAGE('c', 'n.pct')} < least(c.stopped_at, c.paused_at, until)),
  b as (
    insert into breaches (${BREACH_COLUMNS})
    select ${breachOf('s.at', 's.pct', `case when k.kind = 'at_risk' then 'predicted' when t.status = 'failed' and t.completed_at <= s.at then 'failed' else 'late' end`)}
    from s join sla_clocks c on c.id = s.id ${BREACH_FROM} order by s.at, s.id on conflict do nothing),
  f as (select id, max(n) as n, bool_or(pct = 100) as broken from s group by id)
  update sla_clocks c set stage = f.n, state = case when f.broken then 'broken' else c.state end,
    broken_at = case when f.broken then coalesce(c.broken_at, c.due_at) else c.broken_at end,
    next_at = case when c.stopped_at is null and c.paused_at is null and f.n < cardinality(k.stages) then ${STAGE('c', 'k.stages[f.n + 1]')} end
  from f, sla_conditions k where c.id = f.id and k.id = c.condition_id;
end $$`;

/** Breaks clocks by an event at an instant of its own. */
export const breakClocks = `create function sla_break(ids bigint[], instants timestamptz[], why text) returns void language plpgsql as $$
begin
  with x as (select * from unnest(ids, instants) as x(id, at)),
  u as (
    update sla_clocks c set broken_at = x.at, state = 'broken' from x where c.id = x.id and c.broken_at is null returning c.id, x.at)
  insert into breaches (${BREACH_COLUMNS})
  select ${breachOf('u.at', '100', 'why')} from u join sla_clocks c on c.id = u.id ${BREACH_FROM} order by u.at, u.id on conflict do nothing;
end $$`;

/** Starts the clocks that these tasks should have and have not. A clock that a failure did not stop goes on and needs no second. */
export const start = `create function sla_start(tasks_hit uuid[]) returns void language plpgsql as $$
begin
  insert into sla_clocks (task_id, sla_id, condition_id, kind, attempt, eligible_at, epoch, started_at, limit_ms, due_at, next_at, state)
  select n.uuid, n.sla_id, n.id, n.kind, n.attempt, n.eligible_at, n.epoch, n.started_at, n.limit_ms,
    sla_stage_at(n.started_at, n.limit_ms, 0, 100), sla_stage_at(n.started_at, n.limit_ms, 0, n.stages[1]),
    case when n.limit_ms is null and n.kind in ('run_time', 'deadline', 'at_risk') then 'inactive' else 'running' end
  from (
    select t.uuid, p.sla_id, k.id, k.kind, k.stages, a.attempt, p.eligible_at, a.started_at,
      (select coalesce(max(e.epoch), 0) + 1 from sla_clocks e where e.task_id = t.uuid and e.condition_id = k.id) as epoch,
      case when k.kind = 'deadline' then ${ms('coalesce(k.deadline_at, (select min(x.at) from sla_deadlines x where x.condition_id = k.id and x.at > coalesce(t.nominal_at, t.eligible_at))) - a.started_at')}
        when k.run_quantile is null then k.limit_ms
        when r.samples >= k.min_samples then (case k.run_quantile when 50 then r.p50_s when 90 then r.p90_s else r.p95_s end * k.run_factor * 1000)::bigint
      end as limit_ms
    from tasks t join task_slas p on p.task_id = t.uuid and p.eligible_at = t.eligible_at
      join sla_conditions k on k.sla_version_id = p.sla_version_id and k.subject = 'task'
      left join instances i on i.task_id = t.uuid and i.attempt = t.attempt and t.status = 'processing'
      left join template_runtimes r on r.template = t.template,
      lateral (select
        case when k.kind = 'queue_wait' then t.attempt + 1 when k.kind in ('start_delay', 'run_time') then t.attempt else 0 end as attempt,
        case k.kind
          when 'queue_wait' then case when t.status <> 'queued' then null
            when exists (select 1 from instances e where e.task_id = t.uuid and coalesce(e.admitted_at, e.created_at) >= t.eligible_at) then t.queued_at else t.eligible_at end
          when 'start_delay' then case when i.start_time is null then coalesce(i.admitted_at, i.created_at) end
          when 'run_time' then i.start_time
          else t.eligible_at end as started_at) a
    where t.uuid = any(tasks_hit) and t.status not in ${FINAL} and a.started_at is not null and not exists (
      select 1 from sla_clocks e where e.task_id = t.uuid and e.condition_id = k.id
        and ((e.attempt = a.attempt and e.eligible_at = p.eligible_at) or (a.attempt = 0 and e.stopped_at is null)))) n
  order by n.uuid, n.id;
end $$`;

/** Whether a waiting task is on hold, by itself or with its queue or pool. */
export const HALTED = `(t.status = 'pending' and t.pending_reason = 'hold') or (t.status in ('pending', 'queued') and (q.status = 'hold' or o.status = 'hold'))`;

/**
 * Stops and restarts clocks of which time on hold is taken off. What had been reached before the pause is told first. A row that somebody else has locked is left
 * to that one, or to the next sweep: waiting for it here could close a ring of locks.
 */
export const pause = `create function sla_pause(tasks_hit uuid[]) returns void language plpgsql as $$
declare
  moment timestamptz(3);
  halts bigint[];
  goes bigint[];
begin
  with c as (
    select c.id, c.task_id, c.paused_at from sla_clocks c join sla_conditions k on k.id = c.condition_id and k.pause_aware
    where c.task_id = any(tasks_hit) and c.stopped_at is null and c.due_at is not null order by c.id for no key update of c skip locked)
  select array_agg(c.id) filter (where h.halted and c.paused_at is null), array_agg(c.id) filter (where not h.halted and c.paused_at is not null) into halts, goes
  from c join tasks t on t.uuid = c.task_id join queues q on q.name = t.queue join pools o on o.name = q.pool, lateral (select ${HALTED} as halted) h;
  moment := clock_timestamp();
  if halts is not null then
    perform sla_fire(halts, moment);
    update sla_clocks set paused_at = moment, next_at = null where id = any(halts);
  end if;
  if goes is not null then
    update sla_clocks c set paused_at = null, paused_ms = c.paused_ms + n.ms, due_at = sla_stage_at(c.started_at, c.limit_ms, c.paused_ms + n.ms, 100),
      next_at = case when c.stage < cardinality(k.stages) then sla_stage_at(c.started_at, c.limit_ms, c.paused_ms + n.ms, k.stages[c.stage + 1]) end
    from sla_conditions k, sla_clocks b, lateral (select ${ms('greatest(moment, b.paused_at) - b.paused_at')} as ms) n
    where c.id = any(goes) and k.id = c.condition_id and b.id = c.id;
  end if;
end $$`;

/** Stops the clocks whose end has come, tells what lay before it, and gives them their verdict. */
export const stop = `create function sla_stop(tasks_hit uuid[]) returns void language plpgsql as $$
declare
  stopped bigint[];
  failed_ids bigint[];
  failed_at timestamptz[];
begin
  with e as (
    select c.id, k.on_failure, c.kind, case
      when c.kind = 'queue_wait' and i.runid is not null then 'met'
      when c.kind = 'start_delay' and i.start_time is not null then 'met'
      when c.kind in ('start_delay', 'run_time') and i.end_time is not null
        then case i.status when 'completed' then 'met' when 'cancelled' then 'cancelled' else 'failed' end
      when c.kind in ('start_delay', 'run_time') and i.runid is not null then null
      when t.status = 'completed' then 'met'
      when t.status in ('failed', 'cancelled') then t.status
      when c.eligible_at <> t.eligible_at and k.on_failure <> 'keep' then 'postponed' end as outcome,
      case c.kind when 'queue_wait' then coalesce(i.admitted_at, i.created_at, t.completed_at) when 'start_delay' then coalesce(i.start_time, i.end_time, t.completed_at)
        when 'run_time' then coalesce(i.end_time, t.completed_at) else t.completed_at end as at
    from sla_clocks c join sla_conditions k on k.id = c.condition_id join tasks t on t.uuid = c.task_id
      left join instances i on i.task_id = c.task_id and i.attempt = c.attempt and c.attempt > 0
    where c.task_id = any(tasks_hit) and c.stopped_at is null and c.kind not in ('all', 'any')),
  u as (
    update sla_clocks c set stopped_at = coalesce(e.at, clock_timestamp()), note = e.outcome, next_at = null
    from e where c.id = e.id and e.outcome is not null and not (e.outcome = 'failed' and e.on_failure = 'keep') and not (e.kind = 'assertion' and e.outcome = 'met')
    returning c.id)
  select array_agg(id) into stopped from u;
  update sla_clocks c set next_at = t.completed_at from tasks t where t.uuid = c.task_id and c.task_id = any(tasks_hit) and c.kind = 'assertion'
    and c.stopped_at is null and c.next_at is null and t.status = 'completed';
  if stopped is null then return; end if;
  perform sla_fire(stopped, 'infinity');
  select array_agg(c.id), array_agg(c.stopped_at) into failed_ids, failed_at from sla_clocks c join sla_conditions k on k.id = c.condition_id
    where c.id = any(stopped) and c.broken_at is null and c.note = 'failed' and k.on_failure = 'breach';
  if failed_ids is not null then perform sla_break(failed_ids, failed_at, 'failed'); end if;
  update sla_clocks c set state = case when c.broken_at is not null then 'broken' when c.note = 'met' and c.state <> 'inactive' then 'met' else 'void' end,
    paused_ms = c.paused_ms + coalesce(${ms('greatest(c.stopped_at, c.paused_at) - c.paused_at')}, 0), paused_at = null
  where c.id = any(stopped);
end $$`;

/** Counts instances, and looks at combinations of what has broken. */
export const events = `create function sla_events(tasks_hit uuid[]) returns void language plpgsql as $$
declare
  ids bigint[];
  instants timestamptz[];
begin
  select array_agg(c.id), array_agg(i.at) into ids, instants
    from sla_clocks c join sla_conditions k on k.id = c.condition_id, lateral (
      select coalesce(i.admitted_at, i.created_at) as at from instances i where i.task_id = c.task_id and coalesce(i.admitted_at, i.created_at) >= c.started_at order by i.attempt offset k.max_attempts limit 1) i
    where c.task_id = any(tasks_hit) and c.kind = 'attempts' and c.broken_at is null and c.stopped_at is null;
  if ids is not null then perform sla_break(ids, instants, 'attempts'); end if;
end $$`;
