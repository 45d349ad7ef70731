import type { Condition } from '../core/sla.ts';
import { deadlinesBetween, localDeadline } from '../core/sla-deadlines.ts';
import { type PlanRow, planOf } from '../core/sla-plan.ts';
import { type Em, query } from '../entities/sql.ts';
import type { SlaAction } from '../schemas/sla-action.ts';
import type { SlaCondition } from '../schemas/sla-condition.ts';

/** What a version says; conditions with names and stages filled in. */
export type SlaText = { conditions: SlaCondition[]; actions: SlaAction[]; priority: number; cooldown_s: number };

const DAY_MS = 86_400_000;
/** Deadlines of local time are stored so far ahead and, for fires that are made up for, back. */
const AHEAD_MS = 400 * DAY_MS;
const EXTEND_BELOW_MS = 370 * DAY_MS;

/** Stores one immutable version with its conditions and actions as the database evaluates them. */
export async function insertSlaVersion(
  em: Em,
  { sla_id, version, text }: { sla_id: number; version: number; text: SlaText },
): Promise<void> {
  const { conditions, actions, priority, cooldown_s } = text;
  const values = [sla_id, version, JSON.stringify(conditions), JSON.stringify(actions), priority, cooldown_s];
  const [row] = await query<{ id: number }>(em, VERSION, values);
  const id = row?.id as number;
  for (const plan of planOf(conditions as Condition[])) await insertCondition(em, id, plan);
  for (const [no, action] of actions.entries()) await insertAction(em, id, { no, action });
}

const VERSION = `insert into sla_versions (sla_id, version, conditions, actions, priority, cooldown_s)
  values ($1, $2, $3::jsonb, $4::jsonb, $5, $6) returning id::int4 as id`;

async function insertAction(em: Em, version: number, { no, action }: { no: number; action: SlaAction }): Promise<void> {
  const { do: kind, condition, stage, ...args } = action;
  await query(em, ACTION, [version, no, condition ?? null, stage, kind, JSON.stringify(args)]);
}

const ACTION = `insert into sla_actions (sla_version_id, no, condition, stage, kind, args) values ($1, $2, $3, $4, $5, $6::jsonb)`;

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

async function insertCondition(em: Em, version: number, plan: PlanRow): Promise<void> {
  const { tree, spec, ...plain } = plan;
  const [row] = await query<{ id: number }>(em, CONDITION, [version, JSON.stringify(plain), json(tree), JSON.stringify(spec)]);
  const now = Date.now();
  await insertDeadlines(em, { id: row?.id as number, spec }, { from: now - AHEAD_MS, until: now + AHEAD_MS });
}

const CONDITION = `insert into sla_conditions (sla_version_id, path, parent, name, subject, kind, limit_ms, run_quantile, run_factor, min_samples, stages,
    pause_aware, on_failure, deadline_at, max_attempts, assertion, of_path, margin_ms, tree, spec, fingerprint)
  select $1, p.path, p.parent, p.name, p.subject, p.kind, p.limit_ms, p.run_quantile, p.run_factor, p.min_samples, p.stages,
    p.pause_aware, p.on_failure, p.deadline_at, p.max_attempts, p.assertion, p.of_path, p.margin_ms, $3::jsonb, $4::jsonb, p.fingerprint
  from jsonb_to_record($2::jsonb) as p(path text, parent text, name text, subject text, kind text, limit_ms int8, run_quantile int4, run_factor float8,
    min_samples int4, stages int4[], pause_aware bool, on_failure text, deadline_at timestamptz, max_attempts int4, assertion text, of_path text, margin_ms int8,
    fingerprint text)
  returning id::int4 as id`;

type Timed = { id: number; spec: Record<string, unknown> };

async function insertDeadlines(em: Em, { id, spec }: Timed, { from, until }: { from: number; until: number }): Promise<void> {
  const local = spec.kind === 'deadline' ? localDeadline(spec as { at: string }) : null;
  if (!local) return;
  const instants = deadlinesBetween(local, from, until).map((at) => new Date(at).toISOString());
  await query(em, `insert into sla_deadlines (condition_id, at) select $1, unnest($2::timestamptz[]) on conflict do nothing`, [
    id,
    instants,
  ]);
}

/**
 * Makes sure that the local deadlines of every version that tasks may be pinned to are known for a year ahead. Cheap when they are.
 * @returns how many conditions were extended
 */
export async function extendDeadlines(em: Em): Promise<number> {
  const now = Date.now();
  const short = await query<Timed & { last: string }>(em, SHORT, [new Date(now + EXTEND_BELOW_MS).toISOString()]);
  for (const condition of short) {
    const from = Math.max(Date.parse(condition.last), now - AHEAD_MS);
    await insertDeadlines(em, condition, { from, until: now + AHEAD_MS });
  }
  return short.length;
}

/** Current versions, and those that open tasks are pinned to. Instants that nobody will ask for any more go with the look. */
const SHORT = `
with gone as (delete from sla_deadlines where at < now() - interval '800 days')
select k.id::int4 as id, k.spec, d.last from sla_conditions k join sla_versions v on v.id = k.sla_version_id join slas s on s.id = v.sla_id, lateral (
  select max(at) as last from sla_deadlines where condition_id = k.id) d
where k.kind = 'deadline' and k.deadline_at is null and d.last < $1 and s.deleted_at is null
  and (v.version = s.current_version or exists (select 1 from task_slas p where p.sla_id = s.id and p.sla_version_id = v.id))`;
