import { enqueueWebhook, type Notice, notifyUser } from '../../commands/enqueue-delivery.ts';
import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;

function ownNotice({ user }: TestApi): Notice {
  made += 1;
  const message = { type: 'test', title: 'a title', text: 'a text', data: {} };
  return { key: `case-${made}`, user_id: user.id, source_type: 'test', source_id: String(made), message };
}

async function ownNotification(api: TestApi): Promise<number> {
  const notice = ownNotice(api);
  await notifyUser(api.em, { notice, severity: 'info' });
  return (await query<{ id: number }>(api.em, 'select id::int4 as id from notifications where key = $1', [notice.key]))[0]?.id ?? 0;
}

async function deadDelivery(api: TestApi): Promise<string> {
  const id = await enqueueWebhook(api.em, ownNotice(api), { url: 'https://example.org/hook', secrets: ['s'] });
  await query(api.em, `update deliveries set state = 'dead', next_at = null, ended_at = now() where id = $1`, [id]);
  return id;
}

/** Cases of notifications and deliveries. */
export const NOTICE_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  listNotifications: async () => ({ path: '/notifications' }),
  streamNotifications: async () => ({ path: '/notifications/stream' }),
  readNotification: async (api) => ({ path: `/notifications/${await ownNotification(api)}/read`, owner: true }),
  listDeliveries: async () => ({ path: '/deliveries' }),
  getDelivery: async (api) => ({ path: `/deliveries/${await deadDelivery(api)}`, owner: true }),
  retryDelivery: async (api) => ({ path: `/deliveries/${await deadDelivery(api)}/retry`, owner: true }),
};
