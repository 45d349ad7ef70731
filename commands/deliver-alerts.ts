import type { Message } from '../core/delivery.ts';
import { type Em, query } from '../entities/sql.ts';
import type { AlertChannel } from '../schemas/alert.ts';
import { enqueueEmail, enqueueWebhook, type Notice, notifyUser } from './enqueue-delivery.ts';

/** What is told of an alert. */
type AlertFacts = {
  id: string;
  rule_id: number | null;
  rule_name: string;
  camera_id: string;
  violation_id: string | null;
  violation_ids: string[];
  violation_type: string;
  severity: string;
  violations: number;
  reason: string;
  fired_at: string;
};

/**
 * An alert that waits for its delivery. `user_id`: who changed its rule last; null: nobody. `owner_id`: the camera's. `handed_over`: its deliveries are in the outbox.
 * `delivered`: channels that have it, as `doneMark`.
 */
type DueAlert = AlertFacts & {
  user_id: number | null;
  owner_id: number;
  handed_over: boolean;
  delivered: string[];
  channels: AlertChannel[];
};

/** What became of an alert at a look at it. */
export type AlertState = 'pending' | 'sent' | 'failed';

const SOURCE = 'alert';

/** Names what a channel is told: the same key is told once, however often an alert is looked at. */
const keyOf = ({ id }: DueAlert, place: number): string => `alert_${id}_${place}`;

/**
 * Looks at one alert that is due: hands it to its channels, or finds out what became of it. All in one transaction, so a crash at any line changes nothing. Any number of
 * processes may do it; none waits for another. One that fails is put off for ten seconds, and the error is thrown.
 * @returns which one and its state, null: none is due
 */
export async function deliverDueAlert(em: Em): Promise<{ alert: string; state: AlertState } | null> {
  let taken: DueAlert | undefined;
  try {
    return await em.transactional(async (tx) => {
      const db = tx as Em;
      [taken] = await query<DueAlert>(db, TAKE);
      if (!taken) return null;
      if (!taken.handed_over) await handOver(db, taken);
      return { alert: taken.id, state: await settle(db, taken) };
    });
  } catch (cause) {
    if (taken) await query(em, POSTPONE, [taken.id, String(cause)]);
    throw cause;
  }
}

/** One that cannot be looked at must not stand before all others. */
const POSTPONE = `update alert_history set next_attempt_at = clock_timestamp() + interval '10 seconds', error = left($2, 500) where id = $1 and delivery = 'pending'`;

/** Looked at again soon while it is young, since its cool-down begins with its delivery. */
const TAKE = `
with due as (
  select id from alert_history where delivery = 'pending' and next_attempt_at <= clock_timestamp()
  order by next_attempt_at limit 1 for no key update skip locked)
update alert_history h set next_attempt_at = clock_timestamp() + make_interval(secs => least(10, 0.5 + extract(epoch from clock_timestamp() - h.fired_at) / 60))
from due, cameras c where h.id = due.id and c.id = h.camera_id
returning h.id, h.rule_id::float8 as rule_id, h.rule_name, (select r.user_id::int4 from alert_rules r where r.id = h.rule_id) as user_id, c.user_id::int4 as owner_id,
  exists (select from deliveries d where d.source_type = '${SOURCE}' and d.source_id = h.id::text) as handed_over, h.delivered, h.camera_id, h.violation_id, h.violation_ids, h.violation_type, h.severity, h.violations, h.reason,
  to_char(h.fired_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as fired_at, h.channels`;

function messageOf(alert: DueAlert): Message {
  const { id, rule_id, rule_name, camera_id, violation_id, violation_ids, violation_type, severity, violations, reason, fired_at } = alert;
  const data: AlertFacts = {
    id,
    rule_id,
    rule_name,
    camera_id,
    violation_id,
    violation_ids,
    violation_type,
    severity,
    violations,
    reason,
    fired_at,
  };
  const title = `${rule_name}: ${violations} × ${violation_type} at camera ${camera_id}`;
  const text = `Severity ${severity}, fired at ${fired_at}. Violation ${violation_id ?? 'removed'}, alert ${id}.`;
  return { type: 'alert.fired', title, text, data };
}

/** A channel that has an alert, as the history names it. */
const doneMark = (place: number, { kind }: AlertChannel): string => `${place}:${kind}`;

const GRAVE: Record<string, 'warning' | 'critical'> = { high: 'critical', critical: 'critical' };

async function handOver(em: Em, alert: DueAlert): Promise<void> {
  const user_id = alert.user_id ?? alert.owner_id;
  const message = messageOf(alert);
  for (const [place, channel] of alert.channels.entries()) {
    if (alert.delivered.includes(doneMark(place, channel))) continue;
    const notice: Notice = { key: keyOf(alert, place), user_id, source_type: SOURCE, source_id: alert.id, message };
    if (channel.kind === 'webhook') await enqueueWebhook(em, notice, { url: channel.url, secrets: channel.secrets });
    else if (channel.kind === 'email') await enqueueEmail(em, notice, { to: channel.to });
    else await tellUsers(em, alert, notice);
  }
}

/** The owner of the camera, and whoever changed the rule last. */
async function tellUsers(em: Em, { user_id, owner_id, severity }: DueAlert, notice: Notice): Promise<void> {
  for (const told of new Set([owner_id, user_id ?? owner_id]))
    await notifyUser(em, { notice: { ...notice, user_id: told }, severity: GRAVE[severity] ?? 'warning' });
}

type Delivered = { key: string; channel: string; state: 'waiting' | 'delivered' | 'dead'; attempts: number; said: string | null };

const DELIVERIES = `select key, channel, state, attempts, coalesce(detail, code) as said from deliveries where source_type = '${SOURCE}' and source_id = $1 order by key`;

/** What became of it so far. It is sent when all its channels have it, which is when the cool-down begins; it has failed when one of them was given up. */
async function settle(em: Em, alert: DueAlert): Promise<AlertState> {
  const deliveries = await query<Delivered>(em, DELIVERIES, [alert.id]);
  const open = deliveries.filter(({ state }) => state !== 'delivered');
  const state = open.length === 0 ? 'sent' : open.some(({ state: one }) => one === 'waiting') ? 'pending' : 'failed';
  const missing = new Set(open.map(({ key }) => key));
  const delivered = alert.channels.flatMap((channel, place) => (missing.has(keyOf(alert, place)) ? [] : [doneMark(place, channel)]));
  const error = open.flatMap(({ channel, said }) => (said === null ? [] : [`${channel}: ${said}`])).join('; ') || null;
  const attempts = Math.max(deliveries.length === 0 ? 1 : 0, ...deliveries.map((one) => one.attempts));
  await query(em, SETTLE, [alert.id, state, delivered, error, attempts]);
  if (state !== 'pending' && alert.rule_id !== null) await moveOn(em, alert, state === 'sent');
  return state;
}

const SETTLE = `update alert_history set delivery = $2, next_attempt_at = case when $2 = 'pending' then next_attempt_at end, delivered = $3, error = $4, attempts = $5,
  sent_at = case when $2 = 'sent' then clock_timestamp() end where id = $1`;

/** Where the rule stands at the camera now. Its row is locked before it is asked what else is on its way, so that nothing decided meanwhile is overlooked. */
async function moveOn(em: Em, { rule_id, camera_id }: DueAlert, sent: boolean): Promise<void> {
  const key = [rule_id, camera_id];
  await query(em, 'select 1 from alert_states where rule_id = $1 and camera_id = $2 for no key update', key);
  await query(em, MOVE_ON, [...key, sent]);
  if (sent) await query(em, 'update alert_rules set last_fired_at = clock_timestamp() where id = $1', [rule_id]);
}

const MOVE_ON = `update alert_states set delivered_at = case when $3::boolean then clock_timestamp() else delivered_at end,
  pending = exists (select from alert_history h where h.rule_id = $1 and h.camera_id = $2 and h.delivery = 'pending')
  where rule_id = $1 and camera_id = $2`;
