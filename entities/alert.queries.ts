import type { AlertCondition, AlertState } from '../core/detection/alerts.ts';
import { type Em, query } from './sql.ts';

/** A rule in force, with the time by the database's clock, ms. */
export type ActiveRule = AlertCondition & { id: number; name: string; channels: unknown[]; now: number };

/** Rules in force, oldest first. */
export const activeRules = async (em: Em): Promise<ActiveRule[]> => await query<ActiveRule>(em, ACTIVE);

const ACTIVE = `select id::float8 as id, name, violation_types, cameras, min_severity, window_s, threshold, consecutive, cooldown_s, schedule, channels,
  (extract(epoch from clock_timestamp()) * 1000)::float8 as now from alert_rules where enabled order by id`;

/** Which violations a rule is to count: those of a camera that began within `window_s` up to `at` (ms). */
export type CountOrder = { rule_id: number; camera_id: string; at: number };
/** `i`: which question it answers, from 1; rules that are gone have no answer. */
export type Counted = { i: number; count: number; violation_ids: string[] };

/** How many violations a rule finds in its window; false positives do not count. At most 100 ids each. */
export async function countViolations(em: Em, orders: readonly CountOrder[]): Promise<Counted[]> {
  return await query<Counted>(em, COUNT, [JSON.stringify(orders)]);
}

const COUNT = `
select o.i::float8 as i, n.count, n.violation_ids
from rows from (jsonb_to_recordset($1::jsonb) as (rule_id int8, camera_id text, at float8)) with ordinality as o(rule_id, camera_id, at, i) join alert_rules r on r.id = o.rule_id,
lateral (
  select count(*)::int4 as count, coalesce((array_agg(v.id::text order by v.timestamp desc))[1:100], '{}') as violation_ids
  from violation_events v
  where v.camera_id = o.camera_id and v.status <> 'false_positive'
    and v.timestamp > to_timestamp(o.at / 1000.0) - make_interval(secs => r.window_s) and v.timestamp <= to_timestamp(o.at / 1000.0)
    and (r.violation_types = '{}' or v.violation_type = any(r.violation_types))
    and array_position('{low,medium,high,critical}'::text[], v.severity) >= array_position('{low,medium,high,critical}'::text[], r.min_severity)) n`;

export type AlertKey = { rule_id: number; camera_id: string };
export type StoredState = AlertState & AlertKey;

/** Locks where rules stand at cameras, in one order, making what is missing. Rules that are gone are missing. */
export async function lockAlertStates(em: Em, keys: readonly AlertKey[]): Promise<StoredState[]> {
  const columns = [keys.map(({ rule_id }) => rule_id), keys.map(({ camera_id }) => camera_id)];
  await query(em, MAKE_STATES, columns);
  return await query<StoredState>(em, LOCK_STATES, columns);
}

const MAKE_STATES = `insert into alert_states (rule_id, camera_id)
  select k.rule_id, k.camera_id from unnest($1::int8[], $2::text[]) k(rule_id, camera_id) join alert_rules r on r.id = k.rule_id
  order by 1, 2 on conflict do nothing`;

const ms = (column: string): string => `(extract(epoch from s.${column}) * 1000)::float8 as ${column}`;

const LOCK_STATES = `select s.rule_id::float8 as rule_id, s.camera_id, s.streak, ${ms('met_at')}, s.pending, ${ms('delivered_at')}, s.severity, s.zones
  from alert_states s join unnest($1::int8[], $2::text[]) k(rule_id, camera_id) on s.rule_id = k.rule_id and s.camera_id = k.camera_id
  order by s.rule_id, s.camera_id for no key update of s`;

/** An alert that fired or was kept back. */
export type AlertRow = AlertKey & {
  rule_name: string;
  violation_id: string;
  violation_ids: string[];
  violation_type: string;
  severity: string;
  violations: number;
  reason: string;
  dedup_key: string;
  suppressed: boolean;
  channels: unknown[];
};

/** Writes down what was decided, and where rules stand now. A key that was decided on before changes nothing. */
export async function storeDecisions(em: Em, states: readonly StoredState[], alerts: readonly AlertRow[]): Promise<void> {
  await query(em, STORE, [JSON.stringify(states), JSON.stringify(alerts)]);
}

const at = (column: string): string => `to_timestamp(${column} / 1000.0)`;

const STORE = `
with s as (
  update alert_states t set streak = n.streak, met_at = ${at('n.met_at')}, pending = n.pending, severity = n.severity, zones = n.zones
  from jsonb_to_recordset($1::jsonb) as n(rule_id int8, camera_id text, streak int4, met_at float8, pending boolean, severity text, zones text[])
  where t.rule_id = n.rule_id and t.camera_id = n.camera_id)
insert into alert_history (rule_id, rule_name, camera_id, violation_id, violation_ids, violation_type, severity, violations, reason, dedup_key, delivery, channels,
  next_attempt_at, fired_at)
select n.rule_id, n.rule_name, n.camera_id, n.violation_id, n.violation_ids, n.violation_type, n.severity, n.violations, n.reason, n.dedup_key,
  case when n.suppressed then 'suppressed' else 'pending' end, n.channels, case when not n.suppressed then clock_timestamp() end, clock_timestamp()
from jsonb_to_recordset($2::jsonb) as n(rule_id int8, rule_name text, camera_id text, violation_id uuid, violation_ids uuid[], violation_type text, severity text,
  violations int4, reason text, dedup_key text, suppressed boolean, channels jsonb)
on conflict (dedup_key) do nothing`;
