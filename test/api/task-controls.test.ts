import type { Task } from '../../schemas/task.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const NOBODY = '01900000-0000-7000-8000-000000000000';

const submit = async (item: Record<string, unknown> = {}): Promise<Task> => {
  const answer = await api
    .as(api.user)
    .post('/tasks')
    .send({ template: 't', ...item });
  expect(answer.status).toBe(201);
  return answer.body;
};
const post = (path: string, body: object = {}) => api.as(api.user).post(path).send(body);

it('holds and releases a task, and wakes the dispatcher only for the release', async () => {
  const { uuid } = await submit();
  api.notified.length = 0;
  const held = await post(`/tasks/${uuid}/hold`);
  expect(held.body).toMatchObject({ status: 'pending', pending_reason: 'hold', held_at: expect.any(String) });
  expect(api.notified).toEqual([]);
  const released = await post(`/tasks/${uuid}/release`);
  expect(released.body).toMatchObject({ status: 'queued', pending_reason: null, held_at: null });
  expect(api.notified).toEqual(['dispatch']);
});

it('changes a task and shows it changed', async () => {
  const { uuid } = await submit({ total_timeout_s: 100 });
  const change = {
    priority: 80,
    tags: { a: 'b' },
    not_before: '2100-01-01T00:00:00+01:00',
    timeout: 5,
    queue_timeout_s: 6,
    total_timeout_s: null,
  };
  const answer = await api.as(api.user).patch(`/tasks/${uuid}`).send(change);
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ ...change, not_before: '2099-12-31T23:00:00.000Z', status: 'pending', due_at: null });
  expect((await api.as(api.user).get(`/tasks/${uuid}`)).body).toEqual(answer.body);
});

it.each([
  [{}, ''],
  [{ priority: 101 }, '/priority'],
  [{ status: 'completed' }, '/status'],
  [{ queue: null }, '/queue'],
  [{ timeout: null }, '/timeout'],
  [{ not_before: 'soon' }, '/not_before'],
  [{ total_timeout_s: 0 }, '/total_timeout_s'],
  [{ tags: { a: 1 } }, '/tags/a'],
  [{ queue: 'nowhere' }, '/queue'],
])('refuses the change %j with a pointer', async (change, pointer) => {
  const { uuid } = await submit();
  const answer = await api.as(api.user).patch(`/tasks/${uuid}`).send(change);
  expect(answer.status).toBe(422);
  expect(answer.body.errors[0].pointer).toBe(pointer);
});

it.each([
  [{ grace_s: 61 }, 422],
  [{ grace_s: -1 }, 422],
  [{ grace_s: 10, reason: 'x' }, 200],
  [{ grace_s: null }, 200],
])('takes a cancellation with %j as %d', async (body, status) => {
  const { uuid } = await submit();
  expect((await post(`/tasks/${uuid}/cancel`, body)).status).toBe(status);
});

it('submits tasks that wait for others and lists what they wait for', async () => {
  const up = await submit();
  const down = await submit({ after: [{ task: up.uuid.toUpperCase() }] });
  expect(down).toMatchObject({ status: 'pending', pending_reason: 'dependency', waits_for: 1 });
  const path = `/tasks/${down.uuid}/dependencies`;
  const open = { task: up.uuid, condition: 'succeeded', state: 'open', status: 'queued' };
  expect((await api.as(api.user).get(path)).body).toEqual({ items: [open], next_cursor: null });
  await post(`/tasks/${up.uuid}/cancel`);
  expect((await api.as(api.user).get(path)).body.items).toEqual([{ ...open, state: 'broken', status: 'cancelled' }]);
  expect((await api.as(api.user).get(`/tasks/${down.uuid}`)).body).toMatchObject({
    status: 'cancelled',
    status_reason: 'dependency_failed',
  });
});

it.each([
  [{ after: [{ task: NOBODY }] }, 422, '/after/0/task'],
  [{ after: [{ ref: 'x' }] }, 422, '/after/0/ref'],
  [{ after: [{}] }, 422, '/after/0'],
  [{ after: [{ ref: 'x', task: NOBODY }] }, 422, '/after/0'],
  [{ ref: 'x', after: [{ ref: 'x' }] }, 422, '/after'],
  [{ after: [{ task: NOBODY, condition: 'maybe' }] }, 422, '/after/0/condition'],
  [{ after: Array.from({ length: 101 }, () => ({ task: NOBODY })) }, 422, '/after'],
  [{ start_timeout_s: 1.5 }, 422, '/start_timeout_s'],
])('refuses the submission %j', async (item, status, pointer) => {
  const answer = await post('/tasks', { template: 't', ...item });
  expect([answer.status, answer.body.errors[0].pointer]).toEqual([status, pointer]);
});

it('keeps clocks in templates, version by version', async () => {
  const made = await api.as(api.operator).post('/templates').send({ name: 'clocked', engine: 'empty', queue: 'q', queue_timeout_s: 5 });
  expect(made.body).toMatchObject({ queue_timeout_s: 5, start_timeout_s: null, total_timeout_s: null });
  const next = await api.as(api.operator).post('/templates/clocked/versions').send({ total_timeout_s: 9 });
  expect(next.body).toMatchObject({ queue_timeout_s: 5, total_timeout_s: 9 });
  expect(next.body.versions).toMatchObject([
    { version: 2, queue_timeout_s: 5, total_timeout_s: 9 },
    { version: 1, queue_timeout_s: 5, total_timeout_s: null },
  ]);
  expect(await submit({ template: 'clocked' })).toMatchObject({ queue_timeout_s: 5, total_timeout_s: 9 });
});
