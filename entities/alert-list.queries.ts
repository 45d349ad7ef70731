import type { Alert, AlertRule } from '../schemas/alert.ts';
import { whereVisible } from './camera.queries.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const RULE = `${wireNumber('r.id')}, r.name, r.description, r.enabled, r.violation_types, r.cameras, r.min_severity, r.window_s, r.threshold, r.consecutive,
  r.cooldown_s, r.schedule, r.channels, u.username as user, ${wireTime('r.last_fired_at')}, ${wireTimes('r')}`;
const RULES = 'alert_rules r left join users u on u.id = r.user_id';

/** One rule; null: there is none. */
export async function findAlertRule(em: Em, id: number): Promise<AlertRule | null> {
  return (await query<AlertRule>(em, `select ${RULE} from ${RULES} where r.id = $1`, [id]))[0] ?? null;
}

/** Rules, oldest first. */
export async function listAlertRules(em: Em, filter: { enabled?: boolean; q?: string }, page: PageRequest): Promise<Page<AlertRule>> {
  const list = conditions();
  where(list, 'r.enabled = ?', filter.enabled);
  where(list, 'position(lower(?) in lower(r.name)) > 0', filter.q);
  const keys: Key[] = [{ column: 'r.id', kind: 'integer' }];
  return await readPage(em, { columns: RULE, from: RULES, conditions: list, sort: 'id', keys }, page);
}

const ALERT = `h.id, ${wireNumber('h.rule_id')}, h.rule_name, h.camera_id, case when h.resolved_at is null then 'firing' else 'resolved' end as state,
  h.violation_id, h.violation_ids, h.violation_type, h.severity, h.violations, h.delivery, h.reason, jsonb_array_length(h.channels) as channels,
  cardinality(h.delivered) as delivered, h.attempts, ${wireTime('h.next_attempt_at')}, h.error, ${wireTime('h.fired_at')}, ${wireTime('h.sent_at')},
  ${wireTime('h.resolved_at')}, h.acked_by, ${wireTime('h.acked_at')}, h.ack_note`;

/** One alert; null when there is none or its camera is somebody else's. */
export async function findAlert(em: Em, id: string, scope: Scope): Promise<Alert | null> {
  const sql = `select ${ALERT} from alert_history h join cameras c on c.id = h.camera_id where h.id = $1 and ($2::int8 is null or c.user_id = $2)`;
  return (await query<Alert>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Filters that are absent are undefined. */
export type AlertFilter = Scope & {
  rule_id?: number;
  camera_id?: string;
  violation_type?: string;
  violation_id?: string;
  delivery?: readonly string[];
  severity?: readonly string[];
  acknowledged?: boolean;
  from?: string;
  until?: string;
};

/** Alerts by when they fired, newest first. */
export async function listAlerts(em: Em, filter: AlertFilter, page: PageRequest): Promise<Page<Alert>> {
  const list = conditions();
  whereVisible(list, 'h.camera_id', filter);
  where(list, 'h.rule_id = ?', filter.rule_id);
  where(list, 'h.camera_id = ?', filter.camera_id);
  where(list, 'h.violation_type = ?', filter.violation_type);
  where(list, 'h.violation_id = ?', filter.violation_id);
  where(list, 'h.delivery = any(?::text[])', filter.delivery);
  where(list, 'h.severity = any(?::text[])', filter.severity);
  where(list, 'h.fired_at >= ?::timestamptz', filter.from);
  where(list, 'h.fired_at < ?::timestamptz', filter.until);
  if (filter.acknowledged !== undefined) list.clauses.push(`h.acked_at is ${filter.acknowledged ? 'not null' : 'null'}`);
  const keys: Key[] = [
    { column: 'h.fired_at', kind: 'time' },
    { column: 'h.id', kind: 'uuid' },
  ];
  return await readPage(em, { columns: ALERT, from: 'alert_history h', conditions: list, sort: '-fired_at', keys }, page);
}
