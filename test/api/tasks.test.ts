import { randomUUID } from 'node:crypto';
import { query } from '../../entities/sql.ts';
import type { Task } from '../../schemas/task.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { countOf, submission } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const submit = async (item: Record<string, unknown> = {}, caller = api.user): Promise<Task> => {
  const answer = await api
    .as(caller)
    .post('/tasks')
    .send({ template: 't', ...item });
  expect(answer.status).toBe(201);
  return answer.body;
};

describe('submitting', () => {
  it('answers 201 with the task, its place and a notification, and reads the same thing back', async () => {
    api.notified.length = 0;
    const answer = await api
      .as(api.user)
      .post('/tasks')
      .send({ template: 't', parameters: { n: 1 }, tags: { team: 'x' }, priority: 70 });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe(`/api/v1/tasks/${answer.body.uuid}`);
    expect(answer.body).toMatchObject({
      status: 'queued',
      user: 'user',
      parameters: { n: 1 },
      tags: { team: 'x' },
      priority: 70,
      runid: null,
    });
    expect(api.notified).toEqual(['dispatch']);
    const read = await api.as(api.user).get(`/tasks/${answer.body.uuid}`);
    expect(read.status).toBe(200);
    expect(read.body.uuid).toBe(answer.body.uuid);
    expect(read.body.template_version).toBe(1);
  });

  it('takes a batch all or nothing and points into the bad item', async () => {
    const before = await countOf(api.em, 'tasks');
    const good = await api
      .as(api.user)
      .post('/tasks')
      .send([{ template: 't' }, { template: 't', name: 'second' }]);
    expect(good.status).toBe(201);
    expect(good.body.items.map((task: Task) => task.name)).toEqual(['t', 'second']);
    const bad = await api
      .as(api.user)
      .post('/tasks')
      .send([{ template: 't' }, { template: 'nope' }, { template: 't', parameters: { n: 'x' } }]);
    expect(bad.status).toBe(422);
    expect(bad.body.errors.map((e: { pointer: string }) => e.pointer)).toEqual(['/1/template', '/2/parameters/n']);
    expect(await countOf(api.em, 'tasks')).toBe(before + 2);
  });

  it('points into a single task without an index', async () => {
    const answer = await api
      .as(api.user)
      .post('/tasks')
      .send({ template: 't', parameters: { n: 'x' } });
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe('/parameters/n');
  });

  it('refuses 1,001 items and an empty batch', async () => {
    const many = await api
      .as(api.user)
      .post('/tasks')
      .send(Array.from({ length: 1001 }, () => ({ template: 't' })));
    expect(many.status).toBe(422);
    expect((await api.as(api.user).post('/tasks').send([])).status).toBe(422);
  });

  it('takes 1,000 items in one request', async () => {
    const items = Array.from({ length: 1000 }, (_, i) => ({ template: 't', name: `bulk ${i}`, parameters: { n: i } }));
    const answer = await api.as(api.stranger).post('/tasks').send(items);
    expect(answer.status).toBe(201);
    expect(new Set(answer.body.items.map((t: Task) => t.uuid)).size).toBe(1000);
  });

  it('refuses what needs a right that the user lacks', async () => {
    await query(api.em, `insert into templates (name, engine) values ('sh', 'shell')`);
    await query(
      api.em,
      `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy)
       select 'sh', 1, schema, parameters, queue, cpu, memory_mb, retry_policy from template_versions where template = 't'`,
    );
    expect((await api.as(api.user).post('/tasks').send({ template: 'sh' })).status).toBe(403);
    expect((await api.as(api.admin).post('/tasks').send({ template: 'sh' })).status).toBe(201);
  });
});

describe('Idempotency-Key', () => {
  it('makes one task of 50 parallel requests with the same key', async () => {
    const key = randomUUID();
    const name = `once ${key}`;
    const send = () => api.as(api.user).post('/tasks').set('Idempotency-Key', key).send(submission({ name }));
    const answers = await Promise.all(Array.from({ length: 50 }, send));
    expect([...new Set(answers.map((a) => a.status))]).toEqual([201]);
    expect(new Set(answers.map((a) => a.body.uuid)).size).toBe(1);
    expect(answers.filter((a) => a.headers['idempotency-replayed'] !== 'true')).toHaveLength(1);
    expect(await countOf(api.em, 'tasks where name = $1', [name])).toBe(1);
  });

  it('refuses the same key with another request and keeps keys of users apart', async () => {
    const key = randomUUID();
    const first = await api.as(api.user).post('/tasks').set('Idempotency-Key', key).send({ template: 't' });
    const other = await api.as(api.user).post('/tasks').set('Idempotency-Key', key).send({ template: 't', priority: 1 });
    expect(other.status).toBe(422);
    const stranger = await api.as(api.stranger).post('/tasks').set('Idempotency-Key', key).send({ template: 't' });
    expect(stranger.status).toBe(201);
    expect(stranger.body.uuid).not.toBe(first.body.uuid);
  });

  it('refuses a key longer than 255 characters', async () => {
    const answer = await api.as(api.user).post('/tasks').set('Idempotency-Key', 'k'.repeat(256)).send({ template: 't' });
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe('/headers/idempotency-key');
  });
});

describe('cancel and retry', () => {
  it('cancels a queued task with a reason, retries it, and shows both in the history', async () => {
    const { uuid } = await submit();
    const cancelled = await api.as(api.user).post(`/tasks/${uuid}/cancel`).send({ reason: 'changed my mind' });
    expect(cancelled.status).toBe(200);
    expect(cancelled.body).toMatchObject({ status: 'cancelled', status_reason: 'changed my mind' });
    expect((await api.as(api.user).post(`/tasks/${uuid}/cancel`)).status).toBe(200);
    const retried = await api.as(api.user).post(`/tasks/${uuid}/retry`);
    expect(retried.body.status).toBe('queued');
    expect((await api.as(api.user).post(`/tasks/${uuid}/retry`)).status).toBe(409);
    const history = await api.as(api.user).get(`/tasks/${uuid}/history`);
    expect(history.body.items.map((h: { to_status: string }) => h.to_status)).toEqual(['queued', 'cancelled', 'queued']);
    const audit = await api.as(api.admin).get(`/audit-log?subject_id=${uuid}`);
    expect(audit.body.items.map((a: { action: string }) => a.action)).toEqual(['task.retry', 'task.cancel', 'task.submit']);
  });

  it('hides tasks of others from every verb', async () => {
    const { uuid } = await submit({}, api.stranger);
    const mine = api.as(api.user);
    const statuses = await Promise.all([
      mine.get(`/tasks/${uuid}`),
      mine.get(`/tasks/${uuid}/history`),
      mine.get(`/tasks/${uuid}/instances`),
      mine.get(`/tasks/${uuid}/logs`),
      mine.get(`/tasks/${uuid}/explain`),
      mine.post(`/tasks/${uuid}/cancel`),
      mine.post(`/tasks/${uuid}/retry`),
    ]);
    expect(statuses.map((s) => s.status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect((await api.as(api.operator).get(`/tasks/${uuid}`)).status).toBe(200);
  });
});
