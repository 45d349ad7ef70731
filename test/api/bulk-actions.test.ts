import { workBulkActions } from '../../commands/work-bulk-actions.ts';
import type { Em } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const post = (path: string, body: object) => api.as(api.user).post(path).send(body);
const fork = () => api.database.orm.em.fork() as Em;

it('counts first, then accepts, shows progress and results, page by page', async () => {
  for (const name of ['a1', 'a2', 'b1']) await post('/tasks', { template: 't', name });
  const wish = { action: 'hold', filter: { q: 'a', status: ['queued'] } };
  const counted = await post('/bulk-actions', { ...wish, dry_run: true });
  expect([counted.status, counted.body]).toEqual([200, { dry_run: true, total: 2 }]);
  const made = await post('/bulk-actions', wish);
  expect(made.status).toBe(202);
  expect(made.headers.location).toBe(`/api/v1/bulk-actions/${made.body.id}`);
  expect(made.body).toMatchObject({ ...wish, args: {}, status: 'running', user: 'user', total: 2, waiting: 2, done: 0 });
  while ((await workBulkActions(fork)) > 0);
  const read = await api.as(api.user).get(`/bulk-actions/${made.body.id}`);
  expect(read.body).toMatchObject({ status: 'completed', total: 2, done: 2, completed_at: expect.any(String) });
  const path = `/bulk-actions/${made.body.id}/items`;
  const first = await api.as(api.user).get(`${path}?limit=1&status=done`);
  const second = await api.as(api.user).get(`${path}?limit=1&status=done&cursor=${first.body.next_cursor}`);
  expect([...first.body.items, ...second.body.items]).toMatchObject([{ status: 'done', code: null }, { status: 'done' }]);
  expect(second.body.next_cursor).toBeNull();
  expect((await api.as(api.user).get('/bulk-actions?status=completed')).body.items).toHaveLength(1);
});

it.each([
  [{ action: 'hold' }, '/filter'],
  [{ action: 'explode', filter: {} }, '/action'],
  [{ action: 'hold', filter: {}, args: { x: 1 } }, '/args/x'],
  [{ action: 'hold', filter: { colour: 'red' } }, '/filter/colour'],
  [{ action: 'hold', filter: { status: [] } }, '/filter/status'],
  [{ action: 'set_priority', filter: {} }, '/args'],
  [{ action: 'set_priority', filter: {}, args: { priority: 101 } }, '/args/priority'],
  [{ action: 'move_queue', filter: {}, args: { queue: 'nowhere' } }, '/args/queue'],
  [{ action: 'cancel', filter: { uuids: ['x'] } }, '/filter/uuids/0'],
])('refuses %j with a pointer', async (body, pointer) => {
  const answer = await post('/bulk-actions', body);
  expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([422, pointer]);
});

it('is cancelled once, and not when it is complete', async () => {
  await post('/tasks', { template: 't', name: 'c1' });
  const { id } = (await post('/bulk-actions', { action: 'cancel', filter: { q: 'c1' } })).body;
  const cancelled = await post(`/bulk-actions/${id}/cancel`, {});
  expect(cancelled.body).toMatchObject({ status: 'cancelled', skipped: 1, done: 0 });
  const empty = (await post('/bulk-actions', { action: 'cancel', filter: { q: 'nothing like it' } })).body;
  expect((await post(`/bulk-actions/${empty.id}/cancel`, {})).status).toBe(409);
});
