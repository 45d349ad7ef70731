import type { DeliveryTarget, EmailTarget, Message, WebhookTarget } from '../core/delivery.ts';
import { parseOutboundUrl } from '../engines/outbound-guard.ts';
import { type Em, query } from '../entities/sql.ts';

/**
 * What is to be told, and in whose name. `key`: names the event and what tells of it, of [A-Za-z0-9_-], at most 100; the same key is told once.
 * `user_id`: whose notification it is, and whose secrets sign a webhook. `source_*`: what it is about, for lists.
 */
export type Notice = { key: string; user_id: number; source_type: string; source_id: string; message: Message };

type Severity = 'info' | 'warning' | 'critical';

const HOUR_MS = 3_600_000;
/** How long a delivery is tried. */
const TRIED_MS = 24 * HOUR_MS;
/** Receivers of webhooks expect small bodies; what is longer is looked up by its id. */
const MOST_BYTES = 16_000;
const [MOST_TITLE, MOST_TEXT] = [300, 4_000];

const bounded = ({ type, title, text, data }: Message): Message => ({
  type,
  title: title.slice(0, MOST_TITLE),
  text: text.slice(0, MOST_TEXT),
  data: Buffer.byteLength(JSON.stringify(data)) <= MOST_BYTES ? data : { truncated: true },
});

/** Stores a notification for a user, once, in the caller's transaction. */
export async function notifyUser(em: Em, { notice, severity }: { notice: Notice; severity: Severity }): Promise<void> {
  const { key, user_id, source_type, source_id, message } = notice;
  const { title, text, data } = bounded(message);
  await query(em, NOTIFY, [key, user_id, severity, source_type, source_id, title, text, JSON.stringify(data)]);
}

const NOTIFY = `insert into notifications (key, user_id, severity, source_type, source_id, title, text, data)
  values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb) on conflict do nothing`;

/**
 * Writes a webhook into the outbox, in the caller's transaction: it leaves after the commit, and is tried for a day.
 * @returns the delivery's id, also when the key was there already
 * @throws EngineError invalid_input: not an http address
 */
export async function enqueueWebhook(em: Em, notice: Notice, target: WebhookTarget): Promise<string> {
  return await enqueue(em, notice, { channel: 'webhook', lane: parseOutboundUrl(target.url).host, target });
}

/** As `enqueueWebhook`, by mail to all of `to` together. */
export async function enqueueEmail(em: Em, notice: Notice, target: EmailTarget): Promise<string> {
  return await enqueue(em, notice, { channel: 'email', lane: 'email', target });
}

type Way = { channel: 'webhook' | 'email'; lane: string; target: DeliveryTarget };

async function enqueue(em: Em, notice: Notice, { channel, lane, target }: Way): Promise<string> {
  const { key, user_id, source_type, source_id, message } = notice;
  const values = [key, channel, user_id, source_type, source_id, lane, JSON.stringify(target), JSON.stringify(bounded(message)), TRIED_MS];
  const [row] = await query<{ id: string }>(em, ENQUEUE, values);
  return row?.id as string;
}

/** The empty update makes the row that was there already the answer. */
const ENQUEUE = `insert into deliveries (key, channel, user_id, source_type, source_id, lane, target, message, give_up_at)
  values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, clock_timestamp() + $9::float8 * interval '1 millisecond')
  on conflict (key) do update set key = excluded.key returning id`;
