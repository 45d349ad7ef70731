import { enqueueWebhook, type Notice, notifyUser } from '../../commands/enqueue-delivery.ts';
import { publishFeeds } from '../../commands/publish-feed.ts';
import { query } from '../../entities/sql.ts';
import { type Caller, createTestApi, type TestApi } from '../support/api.ts';
import { type ReceivedEvent, receiveEvents, serve } from '../support/listening.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const noticeFor = ({ id }: Caller, key: string): Notice => ({
  key,
  user_id: id,
  source_type: 'breach',
  source_id: key,
  message: { type: 'sla.breach', title: `title of ${key}`, text: '', data: { key } },
});
const tell = async (caller: Caller, key: string) => await notifyUser(api.em, { notice: noticeFor(caller, key), severity: 'warning' });
type Item = { id: number; title: string; read_at: string | null };

test('notifications are one’s own, or everybody’s for operators; reading them is noted once', async () => {
  await tell(api.user, 'a');
  await tell(api.stranger, 'b');
  const mine = (await api.as(api.user).get('/notifications')).body.items as Item[];
  expect(mine.map(({ title }) => title)).toEqual(['title of a']);
  expect((await api.as(api.operator).get('/notifications')).body.items).toHaveLength(2);
  expect((await api.as(api.user).get('/notifications?user=stranger')).status).toBe(403);
  const first = (await api.as(api.user).post(`/notifications/${mine[0]?.id}/read`)).body as Item;
  expect(first.read_at).toMatch(/Z$/);
  expect((await api.as(api.user).post(`/notifications/${mine[0]?.id}/read`)).body).toEqual(first);
  expect((await api.as(api.user).get('/notifications?unread=true')).body.items).toEqual([]);
});

/** The first event of a stream of the caller `user`. */
async function firstEvent(url: string, headers: Record<string, string> = {}): Promise<ReceivedEvent | null> {
  for await (const event of receiveEvents(url, { ...headers, Authorization: `Bearer ${api.user.key}` })) return event;
  return null;
}

test('a stream shows what is new, and after a break what was missed', async () => {
  await publishFeeds(api.em);
  const [feed] = await query<{ last: number }>(api.em, `select last_seq::int4 as last from feeds where name = 'notifications'`);
  const server = await serve(api.app);
  const url = `${server.url}/api/v1/notifications/stream`;
  const waiting = firstEvent(`${url}?after=${feed?.last}`);
  await tell(api.stranger, 'not for me');
  await tell(api.user, 'one');
  await publishFeeds(api.em);
  const event = await waiting;
  expect(event?.data).toMatchObject({ title: 'title of one', severity: 'warning' });
  await tell(api.user, 'two');
  await publishFeeds(api.em);
  const resumed = await firstEvent(url, { 'Last-Event-ID': event?.id ?? '' });
  expect(resumed?.data).toMatchObject({ title: 'title of two' });
  await server.stop();
});

test('the dead letter box shows what was given up, and sends it again when asked', async () => {
  const id = await enqueueWebhook(api.em, noticeFor(api.user, 'dead'), { url: 'https://example.org/hook?token=x', secrets: ['s'] });
  expect((await api.as(api.user).post(`/deliveries/${id}/retry`)).status).toBe(409);
  await query(api.em, `update deliveries set state = 'dead', next_at = null, ended_at = now(), code = 'http_500' where id = $1`, [id]);
  const { items } = (await api.as(api.user).get('/deliveries?state=dead')).body;
  expect(items).toMatchObject([{ id, key: 'dead', channel: 'webhook', target: 'https://example.org/hook', code: 'http_500' }]);
  expect((await api.as(api.user).post(`/deliveries/${id}/retry`)).body).toMatchObject({ state: 'waiting', ended_at: null });
  const audit = await query(api.em, `select actor from audit_log where action = 'delivery.retry' and subject_id = $1`, [id]);
  expect(audit).toEqual([{ actor: 'user:user' }]);
});
