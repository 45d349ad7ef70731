import { retryDelay } from '../core/detection/alerts.ts';
import { type Em, query } from '../entities/sql.ts';
import type { AlertChannel } from '../schemas/alert.ts';

/** What is told of an alert; `id` stays the same however often it is tried. `user_id`: whose secrets sign; null: nobody's. */
export type AlertNotice = {
  id: string;
  rule_id: number | null;
  rule_name: string;
  user_id: number | null;
  camera_id: string;
  violation_id: string | null;
  violation_ids: string[];
  violation_type: string;
  severity: string;
  violations: number;
  reason: string;
  fired_at: string;
};

/** An alert whose next attempt belongs to the caller, until the lease is over. `attempts` counts this one. `delivered`: channels that have it, see `channelKey`. */
export type ClaimedAlert = AlertNotice & { channels: AlertChannel[]; delivered: string[]; attempts: number };

/** The way out. Resolves when the other side has taken the alert; whatever it rejects with is the reason for another attempt. */
export type AlertSink = { send(channel: AlertChannel, notice: AlertNotice): Promise<void> };

/** After so long an attempt that was not heard of again is repeated. Longer than any attempt takes. */
const LEASE_S = 60;
/** A little more than a day. */
const MOST_ATTEMPTS = 150;
const LONGEST_ERROR = 500;

/** Names a channel of an alert, by its place and kind. */
const channelKey = (channel: AlertChannel, place: number): string => `${place}:${channel.kind}`;

/** Takes alerts that are due. Any number of processes may; none gets what another has. */
export async function claimAlerts(em: Em, most: number): Promise<ClaimedAlert[]> {
  return await query<ClaimedAlert>(em, CLAIM, [most, LEASE_S]);
}

const CLAIM = `
with due as (
  select id from alert_history where delivery = 'pending' and next_attempt_at <= clock_timestamp() order by next_attempt_at limit $1 for no key update skip locked)
update alert_history h set attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2) from due where h.id = due.id
returning h.id, h.rule_id::float8 as rule_id, h.rule_name, (select r.user_id::int4 from alert_rules r where r.id = h.rule_id) as user_id, h.camera_id,
  h.violation_id, h.violation_ids, h.violation_type, h.severity, h.violations, h.reason,
  to_char(h.fired_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as fired_at, h.channels, h.delivered, h.attempts`;

/** What an attempt came to. `error` null: every channel has it. */
export type AlertAttempt = { delivered: string[]; error: string | null };

/** Makes one attempt at the channels that have not got it yet, all at once. Never throws for what the other side does. */
export async function attemptAlert(sink: AlertSink, alert: ClaimedAlert): Promise<AlertAttempt> {
  const keys = alert.channels.map(channelKey);
  const errors: string[] = [];
  const delivered = new Set(alert.delivered);
  await Promise.all(
    alert.channels.map(async (channel, i) => {
      const key = keys[i] ?? '';
      if (delivered.has(key)) return;
      await sink.send(channel, alert).then(
        () => delivered.add(key),
        (cause: unknown) => errors.push(`${channel.kind}: ${(cause as Error).message}`),
      );
    }),
  );
  return { delivered: keys.filter((key) => delivered.has(key)), error: errors.length === 0 ? null : errors.join('; ') };
}

/**
 * Stores how an attempt ended: delivered everywhere, which is when the cool-down begins; to be tried again; or given up. An attempt that outlived its lease, so that
 * another one was begun, says nothing unless it got through.
 * @returns the alert's new state; null: it is another's by now
 */
export async function settleAlert(em: Em, alert: ClaimedAlert, { delivered, error }: AlertAttempt): Promise<string | null> {
  const delay = error === null ? null : retryDelay(alert.attempts, MOST_ATTEMPTS);
  const state = error === null ? 'sent' : delay === null ? 'failed' : 'pending';
  const said = error?.replaceAll('\0', '').toWellFormed().slice(0, LONGEST_ERROR) ?? null;
  return await em.transactional(async (tx) => {
    const db = tx as Em;
    if (alert.rule_id !== null) await query(db, 'select 1 from alert_rules where id = $1 for no key update', [alert.rule_id]);
    const rows = await query(db, SETTLE, [alert.id, alert.attempts, state, delay, delivered, said]);
    if (rows.length === 0) return null;
    if (state !== 'pending' && alert.rule_id !== null) await moveOn(db, alert, state === 'sent');
    return state;
  });
}

const SETTLE = `update alert_history set delivery = $3, next_attempt_at = clock_timestamp() + $4::float8 * interval '1 millisecond', delivered = $5, error = $6,
    sent_at = case when $3 = 'sent' then clock_timestamp() end
  where id = $1 and delivery = 'pending' and (attempts = $2 or $3 = 'sent') returning id`;

/** Where the rule stands at the camera now. Its row is locked before it is asked what else is on its way, so that nothing decided meanwhile is overlooked. */
async function moveOn(em: Em, { rule_id, camera_id }: ClaimedAlert, sent: boolean): Promise<void> {
  const key = [rule_id, camera_id];
  await query(em, 'select 1 from alert_states where rule_id = $1 and camera_id = $2 for no key update', key);
  await query(em, MOVE_ON, [...key, sent]);
  if (sent) await query(em, 'update alert_rules set last_fired_at = clock_timestamp() where id = $1', [rule_id]);
}

const MOVE_ON = `update alert_states set delivered_at = case when $3::boolean then clock_timestamp() else delivered_at end,
  pending = exists (select from alert_history h where h.rule_id = $1 and h.camera_id = $2 and h.delivery = 'pending')
  where rule_id = $1 and camera_id = $2`;
