import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, countOf, makePool, makeQueue, makeWorker, startTask, submitOne } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const ops = () => api.as(api.operator);

describe('queues', () => {
  it('are made, read, changed, held, drained, resumed and deleted, each with its audit row', async () => {
    const made = await ops().post('/queues').send({ name: 'fresh', capacity: 3, pool: 'p', max_depth: 5 });
    expect(made.status).toBe(201);
    expect(made.headers.location).toBe('/api/v1/queues/fresh');
    expect(made.body).toMatchObject({
      name: 'fresh',
      capacity: 3,
      pool: 'p',
      priority: 50,
      step_s: 60,
      max_depth: 5,
      status: 'active',
      depth: 0,
    });
    expect((await ops().post('/queues').send({ name: 'fresh', capacity: 3, pool: 'p' })).status).toBe(409);
    expect((await ops().patch('/queues/fresh').send({ capacity: 9, max_depth: null })).body).toMatchObject({
      capacity: 9,
      max_depth: null,
      priority: 50,
    });
    for (const [verb, status] of [
      ['hold', 'hold'],
      ['drain', 'drain'],
      ['resume', 'active'],
    ]) {
      expect((await ops().post(`/queues/fresh/${verb}`)).body.status).toBe(status);
    }
    expect((await ops().get('/queues?pool=p&status=active')).body.items.map((q: { name: string }) => q.name)).toContain('fresh');
    expect((await ops().delete('/queues/fresh')).status).toBe(204);
    expect((await ops().get('/queues/fresh')).status).toBe(404);
    const audit = await api.as(api.admin).get('/audit-log?subject_type=queue&subject_id=fresh');
    const actions = audit.body.items.map((a: { action: string }) => a.action);
    expect(actions).toEqual(['queue.delete', 'queue.active', 'queue.drain', 'queue.hold', 'queue.change', 'queue.create']);
    expect(audit.body.items[4]).toMatchObject({ actor: 'user:operator', before: { capacity: 3 }, after: { capacity: 9 } });
    expect(audit.body.items[4].request_id).toEqual(expect.any(String));
  });

  it('name the pool that is missing', async () => {
    const answer = await ops().post('/queues').send({ name: 'nowhere', capacity: 1, pool: 'gone' });
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toEqual([{ pointer: '/pool', detail: 'pool "gone": there is none' }]);
  });

  it('refuse new tasks while they drain, take them while they are held', async () => {
    await makeQueue(api.em, 'doors');
    const submit = () => api.as(api.user).post('/tasks').send({ template: 't', queue: 'doors' });
    await ops().post('/queues/doors/hold');
    expect((await submit()).status).toBe(201);
    await ops().post('/queues/doors/drain');
    expect((await submit()).status).toBe(409);
    await ops().post('/queues/doors/resume');
    expect((await submit()).status).toBe(201);
  });

  it('are not deleted while tasks, history or templates refer to them, and the answer says why', async () => {
    await makeQueue(api.em, 'used');
    const refusal = async () => {
      const answer = await ops().delete('/queues/used');
      expect(answer.status).toBe(409);
      return answer.body.detail as string;
    };
    const task = await submitOne(contextOf(api.em, api.user), { queue: 'used' });
    expect(await refusal()).toContain('1 of its tasks are not final');
    await api.as(api.user).post(`/tasks/${task.uuid}/cancel`);
    expect(await refusal()).toContain('drain it instead');
    expect((await ops().delete('/queues/q')).status).toBe(409);
  });

  it('answer 429 beyond max_depth', async () => {
    await makeQueue(api.em, 'shallow', { max_depth: 2 });
    const submit = (count: number) =>
      api
        .as(api.user)
        .post('/tasks')
        .send(Array.from({ length: count }, () => ({ template: 't', queue: 'shallow' })));
    expect((await submit(2)).status).toBe(201);
    const answer = await submit(1);
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('keep running work when their capacity is lowered below the load', async () => {
    await makeQueue(api.em, 'busy');
    const { runid } = await startTask(contextOf(api.em, api.user), { item: { queue: 'busy' } });
    const answer = await ops().patch('/queues/busy').send({ capacity: 0 });
    expect(answer.body).toMatchObject({ capacity: 0, current_load: 1 });
    expect((await api.as(api.user).get(`/instances/${runid}`)).body.status).toBe('running');
  });
});

describe('pools', () => {
  it('are made, changed, held and deleted, unless queues or workers are in them', async () => {
    expect((await ops().post('/pools').send({ name: 'gpu', total_cpu: 2.125, total_memory: 4_000 })).body).toMatchObject({
      total_cpu: 2.125,
      used_cpu: 0,
    });
    expect((await ops().post('/pools').send({ name: 'gpu', total_cpu: 1, total_memory: 1 })).status).toBe(409);
    expect((await ops().patch('/pools/gpu').send({ total_memory: 8_000_000 })).body).toMatchObject({
      total_cpu: 2.125,
      total_memory: 8_000_000,
    });
    expect((await ops().post('/pools/gpu/hold')).body.status).toBe('hold');
    await makeQueue(api.em, 'gpu-queue', { pool: 'gpu' });
    expect((await ops().delete('/pools/gpu')).body.detail).toContain('gpu-queue');
    await ops().delete('/queues/gpu-queue');
    await makeWorker(api.em, 'gpu-worker', { pool: 'gpu' });
    expect((await ops().delete('/pools/gpu')).body.detail).toContain('gpu-worker');
    await query(api.em, `delete from workers where id = 'gpu-worker'`);
    expect((await ops().delete('/pools/gpu')).status).toBe(204);
  });

  it('refuse thousandths of thousandths of a core', async () => {
    expect((await ops().post('/pools').send({ name: 'fine', total_cpu: 0.0001, total_memory: 1 })).status).toBe(422);
  });

  it('may shrink below what is reserved, and say both numbers', async () => {
    await makePool(api.em, 'small', { cpu: 4, memory_mb: 1_000 });
    await makeQueue(api.em, 'small-queue', { pool: 'small' });
    await makeWorker(api.em, 'small-worker', { pool: 'small' });
    await startTask(contextOf(api.em, api.user), { item: { queue: 'small-queue' } });
    expect((await ops().patch('/pools/small').send({ total_cpu: 0.5 })).body).toMatchObject({ total_cpu: 0.5, used_cpu: 1 });
    const tooLarge = await api.as(api.user).post('/tasks').send({ template: 't', queue: 'small-queue' });
    expect(tooLarge.status).toBe(422);
    expect(tooLarge.body.code).toBe('unsatisfiable');
  });
});

describe('workers', () => {
  it('are listed with what they offer, drained and given work again', async () => {
    const read = await ops().get('/workers/w');
    expect(read.body).toMatchObject({ id: 'w', pool: 'p', alive: true, status: 'active', engines: ['empty', 'other', 'shell', 'video'] });
    api.notified.length = 0;
    expect((await ops().post('/workers/w/drain')).body.status).toBe('drain');
    expect((await ops().get('/workers?status=drain')).body.items.map((w: { id: string }) => w.id)).toEqual(['w']);
    expect((await ops().post('/workers/w/resume')).body.status).toBe('active');
    expect(api.notified).toEqual(['dispatch', 'dispatch']);
  });

  it('that are silent are not alive, and offline ones decide for themselves', async () => {
    await makeWorker(api.em, 'silent');
    await query(api.em, `update workers set heartbeat_at = now() - interval '10 minutes' where id = 'silent'`);
    expect((await ops().get('/workers/silent')).body.alive).toBe(false);
    await query(api.em, `update workers set status = 'offline' where id = 'silent'`);
    expect((await ops().post('/workers/silent/drain')).status).toBe(409);
  });
});

it('nothing is half done: a refused change leaves no audit row', async () => {
  const before = await countOf(api.em, 'audit_log');
  await ops().delete('/queues/q');
  await ops().post('/queues').send({ name: 'q', capacity: 1, pool: 'p' });
  await ops().patch('/queues/none').send({ capacity: 1 });
  expect(await countOf(api.em, 'audit_log')).toBe(before);
});
