import { type Attempt, type DeliveryTarget, type EmailTarget, ILL_AFTER, type Message, type WebhookTarget } from '../core/delivery.ts';
import { EngineError } from '../core/errors.ts';
import type { Email } from '../engines/outbound-email.ts';
import { type Webhook, webhookKey } from '../engines/outbound-webhook.ts';
import { type Em, query } from '../entities/sql.ts';

/** A delivery whose next attempt belongs to the caller, until the lease is over. `attempts` counts this one. */
export type ClaimedDelivery = {
  id: string;
  key: string;
  channel: 'webhook' | 'email';
  user_id: number;
  lane: string;
  target: DeliveryTarget;
  message: Message;
  attempts: number;
  give_up_at: number;
  created_at: string;
};

/** After so long an attempt that was not heard of again is repeated. Longer than any attempt takes. */
const LEASE_S = 60;

/** At most so many at once from one process to the same host: a receiver that hangs shall not be buried, nor hold up the others. */
const PER_LANE = 4;

/**
 * Takes deliveries that are due, by lane, as far as the lanes have room. Any number of processes may; none gets what another has.
 * @param busy how many attempts are under way here, by lane
 */
export async function claimDeliveries(em: Em, busy: ReadonlyMap<string, number>): Promise<ClaimedDelivery[]> {
  return await query<ClaimedDelivery>(em, CLAIM, [[...busy.keys()], [...busy.values()], PER_LANE, LEASE_S, ILL_AFTER]);
}

/** Lanes by a skip scan; those that are left alone stay out. A lane's due rows in the order of their turns. The lease also is what a killed process leaves behind. */
const CLAIM = `
with recursive lanes as (
  (select lane from deliveries where state = 'waiting' order by lane limit 1)
  union all
  select n.lane from lanes, lateral (select lane from deliveries where state = 'waiting' and lane > lanes.lane order by lane limit 1) n),
busy as (select * from unnest($1::text[], $2::int4[]) as busy(lane, n)),
due as (
  select d.id from lanes left join busy using (lane) left join delivery_lanes l on l.name = lanes.lane, lateral (
    select id from deliveries where state = 'waiting' and lane = lanes.lane and next_at <= clock_timestamp()
    order by next_at limit greatest(0, case when l.failures >= $5 then 1 else $3 end - coalesce(busy.n, 0)) for no key update skip locked) d
  where coalesce(l.paused_until, '-infinity') <= clock_timestamp())
update deliveries d set attempts = attempts + 1, next_at = clock_timestamp() + make_interval(secs => $4) from due where d.id = due.id
returning d.id, d.key, d.channel, d.user_id::int4 as user_id, d.lane, d.target, d.message, d.attempts,
  extract(epoch from d.give_up_at)::float8 * 1000 as give_up_at, d.created_at`;

/** What sending needs of its surroundings. `mail` null: no SMTP server is configured. */
export type Senders = {
  webhook(webhook: Webhook): Promise<Attempt>;
  mail: ((email: Email) => Promise<Attempt>) | null;
  /** Value of a secret that the user may use for `host`. @throws EngineError */
  secret(request: { name: string; user_id: number; host: string }): Promise<string>;
};

const TIMEOUT_MS = 15_000;

/** Makes one attempt. Never throws for what the other side or the configuration does: that is the attempt's result. */
export async function attemptDelivery(senders: Senders, delivery: ClaimedDelivery): Promise<Attempt> {
  try {
    return delivery.channel === 'webhook' ? await webhook(senders, delivery) : await email(senders, delivery);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { result: 'again', code: error.code, detail: error.message.slice(0, 500), retry_after_s: null, blames: 'message' };
  }
}

async function webhook(senders: Senders, { key, user_id, target, message, created_at }: ClaimedDelivery): Promise<Attempt> {
  const { url, secrets } = target as WebhookTarget;
  const host = new URL(url).hostname;
  const keys: Buffer[] = [];
  for (const name of secrets) keys.push(webhookKey(await senders.secret({ name, user_id, host })));
  const { type, title, text, data } = message;
  const body = JSON.stringify({ type, timestamp: new Date(created_at).toISOString(), data: { title, text, ...data } });
  return await senders.webhook({ url, id: key, body, keys, at: new Date(), timeout_ms: TIMEOUT_MS });
}

async function email({ mail }: Senders, { key, target, message }: ClaimedDelivery): Promise<Attempt> {
  if (!mail) throw new EngineError('unavailable', 'no SMTP server is configured (SMTP_URL)');
  const { to, accepted = [] } = target as EmailTarget;
  return await mail({ id: key, to, accepted, subject: message.title, text: message.text });
}
