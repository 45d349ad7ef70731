import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { countOf } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const tryOut = async (body: unknown) =>
  await api
    .as(api.user)
    .post('/tasks?dry_run=true')
    .send(body as object);

describe('POST /tasks?dry_run=true', () => {
  it('tells that a task would start now, and writes nothing', async () => {
    api.notified.length = 0;
    const answer = await tryOut({ template: 't', parameters: { n: 1 } });
    expect([answer.status, answer.body.dry_run]).toEqual([200, true]);
    expect(answer.body.items).toMatchObject([
      { template: 't', queue: 'q', parameters: { n: 1 }, starts_now: true, position: 1, gates: [] },
    ]);
    expect(await countOf(api.em, 'tasks')).toBe(0);
    expect(await countOf(api.em, 'audit_log')).toBe(0);
    expect(api.notified).toEqual([]);
  });

  it('names the gates, as explain does for the task once it is submitted', async () => {
    await query(api.em, `update queues set status = 'hold' where name = 'q'`);
    const tried = await tryOut([{ template: 't' }, { template: 't', priority: 90 }]);
    const { body: task } = await api.as(api.user).post('/tasks').send({ template: 't' });
    const explained = await api.as(api.user).get(`/tasks/${task.uuid}/explain`);
    expect(tried.body.items[0].gates).toEqual(explained.body.gates);
    expect(tried.body.items[0].gates).toMatchObject([{ gate: 'queue_status', holders: [], other_holders: 0, clears_at: null }]);
    expect(tried.body.items[0].starts_now).toBe(false);
    expect((await tryOut({ template: 't', priority: 100 })).body.items[0].position).toBe(1);
    expect((await tryOut({ template: 't', priority: 0 })).body.items[0].position).toBe(2);
    await query(api.em, `update queues set status = 'active' where name = 'q'`);
  });

  it('refuses what a submission would be refused for, and more than 100 items', async () => {
    const bad = await tryOut({ template: 't', parameters: { n: 'x' } });
    expect([bad.status, bad.body.errors[0].pointer]).toEqual([422, '/parameters/n']);
    expect((await tryOut(Array.from({ length: 101 }, () => ({ template: 't' })))).status).toBe(422);
  });
});

describe('queues and templates', () => {
  it('take and show the policy of a queue', async () => {
    const made = await api.as(api.operator).post('/queues').send({ name: 'lines', capacity: 1, pool: 'p', policy: 'strict' });
    expect(made.body).toMatchObject({ policy: 'strict', reserve_after_s: 120, strict_priority: false });
    const changed = await api
      .as(api.operator)
      .patch('/queues/lines')
      .send({ policy: 'best_effort', reserve_after_s: 5, strict_priority: true });
    expect(changed.body).toMatchObject({ policy: 'best_effort', reserve_after_s: 5, strict_priority: true });
    expect((await api.as(api.operator).patch('/queues/lines').send({ policy: 'any' })).status).toBe(422);
  });

  it('take and keep the concurrency of a template', async () => {
    const concurrency = { key: 'text', limit: 1 };
    const made = await api.as(api.operator).post('/templates').send({ name: 'keyed', engine: 'empty', queue: 'q', concurrency });
    expect(made.body.concurrency).toEqual({ ...concurrency, on_limit: 'queue' });
    const next = await api.as(api.operator).post('/templates/keyed/versions').send({ priority: 1 });
    expect(next.body).toMatchObject({ current_version: 2, concurrency: { limit: 1 } });
    const none = await api.as(api.operator).post('/templates/keyed/versions').send({ concurrency: null });
    expect(none.body.concurrency).toBeNull();
    const bad = { name: 'bad', engine: 'empty', queue: 'q', concurrency: { key: 'a..b', limit: 0 } };
    expect((await api.as(api.operator).post('/templates').send(bad)).status).toBe(422);
  });
});
