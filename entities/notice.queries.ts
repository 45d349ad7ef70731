import type { Delivery, Notification } from '../schemas/notice.ts';
import { type Follow, readFeed } from './feed.queries.ts';
import { type Conditions, conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const NOTIFICATION = `${wireNumber('n.id')}, u.username as user, n.severity, n.source_type, n.source_id, n.title, n.text, n.data,
  ${wireTime('n.read_at')}, ${wireNumber('n.seq')}, ${wireTimes('n')}`;
const NOTIFICATIONS = 'notifications n join users u on u.id = n.user_id';

/** Filters that are absent are undefined. */
export type NotificationFilter = { unread?: boolean; severity?: string; source_type?: string; source_id?: string; user?: string };

function notificationConditions(filter: NotificationFilter & Scope): Conditions {
  const list = conditions();
  where(list, 'n.user_id = ?', filter.user_id);
  where(list, '(n.read_at is null) = ?', filter.unread);
  where(list, 'n.severity = ?', filter.severity);
  where(list, 'n.source_type = ?', filter.source_type);
  where(list, 'n.source_id = ?', filter.source_id);
  where(list, 'u.username = ?', filter.user);
  return list;
}

/** Notifications, newest first. */
export async function listNotifications(em: Em, filter: NotificationFilter & Scope, page: PageRequest): Promise<Page<Notification>> {
  const keys: Key[] = [{ column: 'n.id', kind: 'integer' }];
  const list = notificationConditions(filter);
  return await readPage(em, { columns: NOTIFICATION, from: NOTIFICATIONS, conditions: list, sort: '-id', keys }, page);
}

/** One notification; null when there is none or it is somebody else's. */
export async function findNotification(em: Em, id: number, scope: Scope): Promise<Notification | null> {
  const sql = `select ${NOTIFICATION} from ${NOTIFICATIONS} where n.id = $1 and ($2::int8 is null or n.user_id = $2)`;
  return (await query<Notification>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** What a follower of the stream has not seen yet, in the order of the stream. */
export async function notificationsAfter(em: Em, filter: NotificationFilter & Scope, follow: Follow): Promise<Notification[]> {
  const feed = { columns: NOTIFICATION, from: NOTIFICATIONS, conditions: notificationConditions(filter), seq: 'n.seq' };
  return await readFeed<Notification>(em, feed, follow);
}

/** A query of an address may hold what is nobody's business. */
const TARGET = `case d.channel when 'webhook' then split_part(d.target->>'url', '?', 1)
  else array_to_string(array(select jsonb_array_elements_text(d.target->'to')), ', ') end as target`;
const DELIVERY = `d.id, d.key, d.channel, u.username as user, d.source_type, d.source_id, ${TARGET}, d.message->>'type' as type,
  d.message->>'title' as title, d.state, d.attempts, ${['next_at', 'give_up_at', 'ended_at'].map((c) => wireTime(`d.${c}`)).join(', ')},
  d.code, d.detail, ${wireTimes('d')}`;
const DELIVERIES = 'deliveries d join users u on u.id = d.user_id';

/** Filters that are absent are undefined. */
export type DeliveryFilter = { state?: string; channel?: string; source_type?: string; source_id?: string; user?: string };

/** Deliveries, newest first. */
export async function listDeliveries(em: Em, filter: DeliveryFilter & Scope, page: PageRequest): Promise<Page<Delivery>> {
  const list = conditions();
  where(list, 'd.user_id = ?', filter.user_id);
  where(list, 'd.state = ?', filter.state);
  where(list, 'd.channel = ?', filter.channel);
  where(list, 'd.source_type = ?', filter.source_type);
  where(list, 'd.source_id = ?', filter.source_id);
  where(list, 'u.username = ?', filter.user);
  const keys: Key[] = [{ column: 'd.id', kind: 'uuid' }];
  return await readPage(em, { columns: DELIVERY, from: DELIVERIES, conditions: list, sort: '-id', keys }, page);
}

/** One delivery; null when there is none or it is somebody else's. */
export async function findDelivery(em: Em, id: string, scope: Scope): Promise<Delivery | null> {
  const sql = `select ${DELIVERY} from ${DELIVERIES} where d.id = $1 and ($2::int8 is null or d.user_id = $2)`;
  return (await query<Delivery>(em, sql, [id, scope.user_id]))[0] ?? null;
}
