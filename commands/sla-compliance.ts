import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Sla } from '../schemas/sla.ts';
import type { Compliance } from '../schemas/sla-report.ts';

type Asked = { sla: Sla; from?: string | undefined; until?: string | undefined; objective: number };
type Report = Compliance['conditions'][number];
type TaskRow = Omit<Report, 'subject' | 'broken_s' | 'met_share' | 'budget' | 'percentiles_s'> & { percentiles: number[] | null };
type GroupRow = { condition: string; kind: string; breached: number; open: number; broken_s: number; watched_s: number };

const DAYS_30_MS = 30 * 86_400_000;

/**
 * How an SLA was kept in a period: of conditions on tasks every clock that began in it, of conditions on groups the time in which they were broken. Tasks that the retention has removed
 * are not counted.
 * @throws EngineError invalid_input: the period ends before it begins
 */
export async function complianceOf(em: Em, asked: Asked): Promise<Compliance> {
  const { sla, objective } = asked;
  const until = new Date(asked.until ?? Date.now());
  const from = new Date(asked.from ?? until.getTime() - DAYS_30_MS);
  if (from >= until)
    throw new EngineError('invalid_input', 'from: must be before until', {
      errors: [{ pointer: '/query/from', detail: 'must be before until' }],
    });
  const period = [sla.id, from.toISOString(), until.toISOString()];
  const tasks = await query<TaskRow>(em, TASKS, period);
  const groups = await query<GroupRow>(em, GROUPS, period);
  const conditions = [...tasks.map((row) => ofTasks(row, objective)), ...groups.map((row) => ofGroup(row, objective))];
  return { sla_id: sla.id, name: sla.name, from: from.toISOString(), until: until.toISOString(), objective, conditions };
}

function ofTasks({ percentiles, ...row }: TaskRow, objective: number): Report {
  const decided = row.met + row.breached;
  const [p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0] = percentiles ?? [];
  return {
    ...row,
    subject: 'task',
    broken_s: null,
    met_share: decided === 0 ? null : row.met / decided,
    percentiles_s: percentiles && { p50, p90, p95, p99, max },
    budget: budgetOf((1 - objective) * decided, row.breached),
  };
}

function ofGroup({ condition, kind, breached, open, broken_s, watched_s }: GroupRow, objective: number): Report {
  const nothing = { total: breached, met: 0, at_risk: 0, void: 0, percentiles_s: null };
  const met_share = watched_s === 0 ? null : Math.max(0, 1 - broken_s / watched_s);
  return {
    condition,
    kind,
    subject: 'group',
    breached,
    open,
    broken_s,
    met_share,
    ...nothing,
    budget: budgetOf((1 - objective) * watched_s, broken_s),
  };
}

const budgetOf = (allowed: number, spent: number) => ({ allowed, spent, left: allowed - spent });

/** A broken clock that still runs is decided; \`at_risk\` counts tasks of which it was told that they would probably be late. */
const TASKS = `
with c as (
  select k.name as condition, k.kind, c.state, c.stopped_at, c.broken_at, extract(epoch from c.stopped_at - c.started_at)::float8 - c.paused_ms / 1000.0 as took_s
  from sla_clocks c join sla_conditions k on k.id = c.condition_id and k.parent is null
  where c.sla_id = $1 and c.started_at >= $2 and c.started_at < $3)
select condition, kind, count(*)::int4 as total, count(*) filter (where state = 'met')::int4 as met,
  count(*) filter (where state = 'broken' and kind <> 'at_risk')::int4 as breached, count(*) filter (where state = 'broken' and kind = 'at_risk')::int4 as at_risk,
  count(*) filter (where state = 'void')::int4 as void, count(*) filter (where state in ('running', 'inactive'))::int4 as open,
  case when count(took_s) filter (where state in ('met', 'broken')) > 0 then
    percentile_cont(array[0.5, 0.9, 0.95, 0.99, 1]) within group (order by took_s) filter (where state in ('met', 'broken') and took_s is not null) end as percentiles
from c group by condition, kind order by condition, kind`;

/** Broken time within the period; watched time is that of all subjects that were watched or broken in it. */
const GROUPS = `
with b as (
  select b.condition, b.kind, b.subject_type, b.subject_id, b.state, greatest(b.due_at, $2::timestamptz) as since, least(coalesce(b.resolved_at, clock_timestamp()), $3::timestamptz) as until
  from breaches b where b.sla_id = $1 and b.subject_type <> 'task' and b.due_at < $3 and coalesce(b.resolved_at, 'infinity') > $2),
s as (
  select w.name as condition, k.kind, w.subject_type, w.subject_id, greatest(w.bound_at, $2::timestamptz) as since from sla_watches w join sla_conditions k on k.id = w.condition_id where w.sla_id = $1
  union
  select condition, kind, subject_type, subject_id, min(since) from b group by 1, 2, 3, 4),
w as (
  select condition, kind, sum(greatest(0, extract(epoch from least(clock_timestamp(), $3::timestamptz) - since)))::float8 as watched_s
  from (select condition, kind, subject_type, subject_id, min(since) as since from s group by 1, 2, 3, 4) x group by 1, 2)
select w.condition, w.kind, w.watched_s, count(b.condition)::int4 as breached, count(*) filter (where b.state <> 'resolved')::int4 as open,
  coalesce(sum(greatest(0, extract(epoch from b.until - b.since))), 0)::float8 as broken_s
from w left join b on b.condition = w.condition and b.kind = w.kind group by w.condition, w.kind, w.watched_s order by w.condition, w.kind`;
