import { admit } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, emptyDatabase, makeTemplate, makeUser, makeWorld, startTask, submitOne } from '../support/factories.ts';

describe('explainTask', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em, { worker: { cpu: 4, memory_mb: 4000 } });
    await query(db.em, 'update pools set total_cpu = 4, total_memory = 4000');
  });

  const explain = (uuid: string, who: CommandContext = ctx) => explainTask(who, uuid, 60);
  const busy = async () => {
    await makeTemplate(db.em, 'large', { cpu: 3.5, memory_mb: 3950 });
    await startTask(ctx, { item: { template: 'large' } });
  };

  it.each<[string, (() => Promise<unknown>) | string, string[]]>([
    ['nothing', `select 1`, []],
    ['a queue on hold', `update queues set status = 'hold'`, ['queue_status']],
    ['a queue without places', `update queues set capacity = 0`, ['queue_capacity']],
    ['a pool on hold', `update pools set status = 'hold'`, ['pool_status']],
    ['a pool that is too small now', `update pools set total_cpu = 0.5, total_memory = 50`, ['pool_cpu', 'pool_memory']],
    ['other work', busy, ['pool_cpu', 'pool_memory', 'worker_room']],
    ['a worker that drains', `update workers set status = 'drain'`, ['no_worker']],
    ['a worker without the engine', `update workers set engines = '{shell}'`, ['no_worker']],
    ['a worker that is too small', `update workers set total_cpu = 0.5`, ['no_worker']],
    ['a silent worker', `update workers set heartbeat_at = now() - interval '2 minutes'`, ['no_worker']],
    [
      'many things',
      `with q as (update queues set status = 'hold', capacity = 0), p as (update pools set status = 'hold', total_cpu = 0) delete from workers`,
      ['queue_status', 'queue_capacity', 'pool_status', 'pool_cpu', 'no_worker'],
    ],
  ])('names what stands between a task and its start, as the admission sees it: %s', async (_, obstacle, expected) => {
    if (typeof obstacle === 'function') await obstacle();
    const { uuid } = await submitOne(ctx);
    if (typeof obstacle === 'string') await query(db.em, obstacle);
    const { gates } = await explain(uuid);
    expect(gates.map((g) => g.gate)).toEqual(expected);
    expect((await admit(db.em)).length).toBe(expected.length === 0 ? 1 : 0);
  });

  it('tells the place in the queue', async () => {
    await query(db.em, `update queues set status = 'hold'`);
    const [low, high, middle] = [await submitOne(ctx, { priority: 1 }), await submitOne(ctx, { priority: 99 }), await submitOne(ctx)];
    const places = await Promise.all([low, high, middle].map(async (t) => (await explain(t.uuid)).position));
    expect(places).toEqual([3, 1, 2]);
  });

  it('names no gates and no place for a task that does not wait in the queue', async () => {
    const { uuid } = await submitOne(ctx, { not_before: '2100-01-01T00:00:00Z' });
    expect(await explain(uuid)).toMatchObject({ uuid, status: 'pending', pending_reason: 'not_before', position: null, gates: [] });
    const { task } = await startTask(ctx);
    expect(await explain(task.uuid)).toMatchObject({ status: 'processing', position: null, gates: [] });
  });

  it('does not know tasks of others, except for operators', async () => {
    const { uuid } = await submitOne(ctx);
    const eve = contextOf(db.em, await makeUser(db.em, 'eve'));
    const olga = contextOf(db.em, await makeUser(db.em, 'olga', { role: 'operator' }));
    await expect(explain(uuid, eve)).rejects.toMatchObject({ code: 'not_found' });
    await expect(explain('01900000-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'not_found' });
    expect(await explain(uuid, olga)).toMatchObject({ uuid, position: 1 });
  });

  it('changes nothing and locks nothing', async () => {
    const { uuid } = await submitOne(ctx);
    await db.em.transactional(async (tx) => {
      await query(tx, 'select * from tasks, queues, pools, workers for update');
      expect(await explain(uuid, contextOf(db.orm.em.fork(), ctx.actor))).toMatchObject({ gates: [] });
    });
  });
});
