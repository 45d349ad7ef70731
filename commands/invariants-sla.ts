/** Whether a clock of a condition exists where the state of the task asks for one. */
const HAS_CLOCK = `exists (select 1 from sla_clocks c where c.task_id = t.uuid and c.condition_id = k.id and (c.stopped_at is null or c.eligible_at = t.eligible_at) and case k.kind
    when 'queue_wait' then t.status <> 'queued' or c.attempt = t.attempt + 1
    when 'start_delay' then t.status <> 'processing' or i.start_time is not null or c.attempt = t.attempt
    when 'run_time' then t.status <> 'processing' or i.start_time is null or c.attempt = t.attempt else true end)`;

/** Whether a clock is asked for at all. */
const NEEDS_CLOCK = `case k.kind when 'queue_wait' then t.status = 'queued' when 'start_delay' then t.status = 'processing' and i.start_time is null
    when 'run_time' then t.status = 'processing' and i.start_time is not null else true end`;

/** Tasks may be submitted, and clocks be swept, while something is being attached: what is younger proves nothing. */
const MARGIN = `interval '1 minute'`;

/** The promises about SLAs. */
export const SLA_INVARIANTS = [
  {
    name: 'open_tasks_have_their_clocks',
    promise: 'an open task has the clocks of the SLAs that it is pinned to, and is pinned to those that applied when it became eligible',
    sql: `select t.uuid, t.status, k.name as condition from tasks t join task_slas p on p.task_id = t.uuid and p.eligible_at = t.eligible_at
        join sla_conditions k on k.sla_version_id = p.sla_version_id and k.subject = 'task'
        left join instances i on i.task_id = t.uuid and i.attempt = t.attempt and t.status = 'processing'
      where t.status in ('queued', 'processing') and ${NEEDS_CLOCK} and not ${HAS_CLOCK}
      union all
      select t.uuid, t.status, s.name from tasks t join queues q on q.name = t.queue join pools o on o.name = q.pool join templates m on m.name = t.template
        left join backfills f on f.id = t.source_id left join schedules c on c.id = coalesce(f.schedule_id, t.source_id),
        lateral (values (t.sla_id, '-infinity'::timestamptz), (c.sla_id, c.sla_since), (m.sla_id, m.sla_since), (q.sla_id, q.sla_since), (o.sla_id, o.sla_since)) as b(sla_id, since)
        join slas s on s.id = b.sla_id and s.enabled and s.deleted_at is null
      where t.status in ('queued', 'processing') and t.caused_by is null and greatest(b.since, s.enabled_at) + ${MARGIN} < t.eligible_at
        and not exists (select 1 from task_slas p where p.task_id = t.uuid and p.sla_id = s.id)
        and not exists (select 1 from audit_log a where a.subject_type = 'task' and a.subject_id = t.uuid::text and a.action = 'task.change' and a.after ? 'queue')`,
  },
  {
    name: 'breaches_match_clocks',
    promise: 'each stage of a clock that passed before it stopped has its breach, and each breach of a task has its clock',
    sql: `select c.id::text as clock, c.task_id, n.pct as stage from sla_clocks c join sla_conditions k on k.id = c.condition_id and k.parent is null, unnest(k.stages) as n(pct)
      where c.due_at is not null and c.updated_at < clock_timestamp() - ${MARGIN}
        and sla_stage_at(c.started_at, c.limit_ms, c.paused_ms, n.pct) < least(c.stopped_at, c.paused_at, clock_timestamp() - ${MARGIN})
        and not exists (select 1 from breaches b where b.sla_version_id = k.sla_version_id and b.subject_type = 'task' and b.subject_id = c.task_id::text and b.path = k.path
          and b.epoch = c.epoch and b.stage = n.pct)
      union all
      select b.id::text, b.task_id, b.stage from breaches b where b.task_id is not null and b.subject_type = 'task' and not exists (
        select 1 from sla_clocks c join sla_conditions k on k.id = c.condition_id where c.task_id = b.task_id and c.sla_id = b.sla_id and k.name = b.condition and c.epoch = b.epoch)
        and exists (select 1 from task_slas p where p.task_id = b.task_id and p.sla_id = b.sla_id)`,
  },
  {
    name: 'breach_actions_took_effect_once',
    promise:
      'what a breach has done was done once: one message for each that was told, one end for each life of a task, one task for each that was run',
    sql: `select a.breach_id, a.no, a.kind from breach_actions a where a.state = 'done' and a.kind in ('webhook', 'email') and a.ended_at > clock_timestamp() - interval '1 day' and (
        select count(*) from deliveries d where d.key = 'breach_' || a.breach_id || '_' || a.no) <> 1
      union all
      select a.breach_id, a.no, a.kind from breach_actions a where a.state = 'done' and a.kind = 'notify' and a.ended_at > clock_timestamp() - interval '1 day' and (
        select count(*) from notifications n where n.key = 'breach_' || a.breach_id || '_' || a.no) <> (a.result->>'recipients')::int
      union all
      select min(a.breach_id::text)::uuid, count(*)::int4, a.target from breach_actions a where a.state = 'done' and a.target like 'life:%' group by a.target having count(*) > 1
      union all
      select t.caused_by, count(*)::int4, 'run_template' from tasks t where t.caused_by is not null group by t.caused_by
      having count(*) > (select count(*) from breach_actions a where a.breach_id = t.caused_by and a.kind = 'run_template' and a.state = 'done')
        and exists (select 1 from breaches b where b.id = t.caused_by)`,
  },
  {
    name: 'loans_sum_up',
    promise: 'what a pool has on top of its total is the sum of the loans that live',
    sql: `select p.name, p.extra_cpu, n.cpu, p.extra_memory, n.memory from pools p, lateral (
        select coalesce(sum(cpu), 0) as cpu, coalesce(sum(memory_mb), 0) as memory from pool_resizes where pool = p.name and ended_at is null) n
      where p.extra_cpu <> n.cpu or p.extra_memory <> n.memory`,
  },
] as const;
