import { admit, startable, writeAdmissions } from '../../commands/admit.ts';
import { chooseTasks } from '../../commands/choose-tasks.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { loadRoom } from '../../commands/snapshot.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  admitAll,
  claim,
  contextOf,
  countOf,
  emptyDatabase,
  heldAmounts,
  makePool,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorker,
  makeWorld,
  outcome,
  submit,
  submitOne,
} from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

const LOST_AFTER_S = 60;

describe('admit', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(() => emptyDatabase(db.em));

  const sql = async (text: string, parameters: unknown[] = []) => await query(db.em, text, parameters);
  const admitted = async (options = {}) => (await admit(db.em, options)).map((i) => i.task_id);
  const gates = async (ctx: CommandContext, uuid: string) => (await explainTask(ctx, uuid, LOST_AFTER_S)).gates.map((g) => g.gate);

  it('writes instance, grant, counters and states, and says all that starting needs', async () => {
    const ctx = await makeWorld(db.em, { template: { cpu: 1.25, memory_mb: 300 } });
    const task = await submitOne(ctx, { name: 'job', priority: 60, timeout: 5, tags: { a: 'b' } });
    const [instance] = await admit(db.em);
    expect(instance).toMatchObject({
      task_id: task.uuid,
      attempt: 1,
      workflow_id: `task/${task.uuid}/1`,
      worker: 'w',
      engine: 'empty',
      queue: 'q',
      pool: 'p',
      template: 't',
      user: 'ada',
      name: 'job',
      priority: 60,
      timeout: 5,
    });
    expect(await heldAmounts(db.em)).toEqual({ load: 1, pool_cpu: 1.25, pool_memory: 300, worker_cpu: 1.25, worker_memory: 300 });
    expect(await sql('select runid, status, tags, lease_epoch from instances')).toEqual([
      { runid: instance?.runid, status: 'starting', tags: { a: 'b' }, lease_epoch: 0 },
    ]);
    expect(await countOf(db.em, `tasks where status = 'processing' and attempt = 1`)).toBe(1);
    expect(await admit(db.em)).toEqual([]);
  });

  it('admits by priority, then by age', async () => {
    const ctx = await makeWorld(db.em, { queue: { capacity: 1 } });
    const [low, high, first, second] = [
      await submitOne(ctx, { priority: 10 }),
      await submitOne(ctx, { priority: 90 }),
      await submitOne(ctx),
      await submitOne(ctx),
    ];
    const order: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const [instance] = await admit(db.em);
      order.push(instance?.task_id ?? '');
      await finishInstances(db.em, [{ runid: instance?.runid ?? '', lease_epoch: null, outcome: outcome('completed') }], 'worker:w');
    }
    expect(order).toEqual([high, first, second, low].map((t) => t.uuid));
  });

  it('lets a task that waited long enough go before a more urgent one', async () => {
    const ctx = await makeWorld(db.em, { queue: { capacity: 1 } });
    const old = await submitOne(ctx, { priority: 50 });
    await submitOne(ctx, { priority: 60 });
    await sql(`update tasks set vtime = vtime - interval '601 seconds' where uuid = $1`, [old.uuid]);
    expect(await admitted()).toEqual([old.uuid]);
  });

  it('stops at the capacity of the queue and goes on when a place is free', async () => {
    const ctx = await makeWorld(db.em, { queue: { capacity: 3 } });
    await submit(ctx, {}, 5);
    const first = await admit(db.em);
    expect(first).toHaveLength(3);
    expect(await admitted()).toEqual([]);
    await finishInstances(db.em, [{ runid: first[0]?.runid ?? '', lease_epoch: null, outcome: outcome('failed') }], 'worker:w');
    expect(await admitted()).toHaveLength(1);
  });

  it('admits no more in one pass than the limit', async () => {
    const ctx = await makeWorld(db.em);
    await submit(ctx, {}, 10);
    expect([await admitted({ limit: 4 }), await admitted({ limit: 4 }), await admitted({ limit: 4 })].map((a) => a.length)).toEqual([
      4, 4, 2,
    ]);
  });

  it.each(['queues', 'pools'])('admits nothing while the %s are on hold, and goes on afterwards', async (table) => {
    const ctx = await makeWorld(db.em);
    const task = await submitOne(ctx);
    await sql(`update ${table} set status = 'hold'`);
    expect(await admitted()).toEqual([]);
    expect(await gates(ctx, task.uuid)).toEqual([table === 'queues' ? 'queue_status' : 'pool_status']);
    await sql(`update ${table} set status = 'active'`);
    expect(await admitted()).toEqual([task.uuid]);
  });

  it.each(['queues', 'pools'])('admits what waits already while the %s drain', async (table) => {
    const ctx = await makeWorld(db.em);
    const task = await submitOne(ctx);
    await sql(`update ${table} set status = 'drain'`);
    expect(await admitted()).toEqual([task.uuid]);
  });

  it('keeps within the pool although its workers have more', async () => {
    const ctx = await makeWorld(db.em);
    await sql('update pools set total_cpu = 2.5');
    await submit(ctx, {}, 4);
    expect(await admitted()).toHaveLength(2);
    await sql('update pools set total_cpu = 1');
    expect(await admitted()).toEqual([]);
    await sql('update pools set total_cpu = 3');
    expect(await admitted()).toHaveLength(1);
  });

  it('gives nothing to a worker that drains, went offline, or fell silent', async () => {
    const ctx = await makeWorld(db.em);
    await submit(ctx, {}, 3);
    const [uuid] = (await sql('select uuid from tasks')).map((row) => row.uuid as string);
    for (const set of [`status = 'drain'`, `status = 'offline'`, `status = 'active', heartbeat_at = now() - interval '61 seconds'`]) {
      await sql(`update workers set ${set}`);
      expect(await admitted()).toEqual([]);
      expect(await gates(ctx, uuid ?? '')).toEqual(['no_worker']);
    }
    await sql('update workers set heartbeat_at = now()');
    expect(await admitted()).toHaveLength(3);
  });

  it('never puts two tasks of 1.5 cores on one worker of 2', async () => {
    const ctx = await makeWorld(db.em, { worker: { cpu: 2, memory_mb: 2000 }, template: { cpu: 1.5 } });
    await makeWorker(db.em, 'v', { cpu: 2, memory_mb: 2000 });
    await submit(ctx, {}, 6);
    const first = await admit(db.em);
    expect(first.map((i) => i.worker).sort()).toEqual(['v', 'w']);
    expect(await admit(db.em)).toEqual([]);
    await finishInstances(db.em, [{ runid: first[0]?.runid ?? '', lease_epoch: null, outcome: outcome('completed') }], 'worker:w');
    expect((await admit(db.em)).map((i) => i.worker)).toEqual([first[0]?.worker]);
  });

  it('lets a task of 3 cores wait for a worker that is large enough, with the gate that says so', async () => {
    const ctx = await makeWorld(db.em, { worker: { cpu: 2, memory_mb: 2000 }, template: { cpu: 3 } });
    await makeWorker(db.em, 'v', { cpu: 2, memory_mb: 2000 });
    await sql('update pools set total_cpu = 4');
    const task = await submitOne(ctx);
    expect(await admitted()).toEqual([]);
    expect((await explainTask(ctx, task.uuid, LOST_AFTER_S)).gates).toMatchObject([
      { gate: 'no_worker', detail: expect.stringContaining('large enough') },
    ]);
    await makeWorker(db.em, 'big', { cpu: 4, memory_mb: 2000 });
    await sql('update pools set total_cpu = 8');
    expect(await admit(db.em)).toMatchObject([{ task_id: task.uuid, worker: 'big' }]);
  });

  it('places where cores and memory fit together', async () => {
    const ctx = await makeWorld(db.em, { worker: { cpu: 8, memory_mb: 100 }, template: { cpu: 2, memory_mb: 1000 } });
    await makeWorker(db.em, 'memory', { cpu: 1, memory_mb: 8000 });
    const task = await submitOne(ctx);
    expect(await admitted()).toEqual([]);
    expect(await gates(ctx, task.uuid)).toEqual(['no_worker']);
    await makeWorker(db.em, 'both', { cpu: 2, memory_mb: 1000 });
    expect(await admit(db.em)).toMatchObject([{ worker: 'both' }]);
  });

  it('keeps pools apart', async () => {
    const ctx = await makeWorld(db.em);
    await makePool(db.em, 'p2', { cpu: 1, memory_mb: 100 });
    await makeQueue(db.em, 'q2', { pool: 'p2' });
    await makeTemplate(db.em, 't2', { queue: 'q2' });
    const task = await submitOne(ctx, { template: 't2' });
    expect(await admitted()).toEqual([]);
    await makeWorker(db.em, 'w2', { pool: 'p2' });
    expect(await admit(db.em)).toMatchObject([{ task_id: task.uuid, worker: 'w2', pool: 'p2' }]);
  });

  it('finds the one task that fits behind 10,000 that do not, and looks at few rows for it', async () => {
    const ctx = await makeWorld(db.em, { worker: { cpu: 2, memory_mb: 2000 }, template: { cpu: 3 } });
    await makeTemplate(db.em, 'small', { cpu: 1 });
    for (let i = 0; i < 10; i += 1) await submit(ctx, { priority: 100 }, 1000);
    const fits = await submitOne(ctx, { template: 'small', priority: 0 });
    await sql('analyze tasks');
    const { result, statements, rows } = await statementsOf(db, (em) => admit(em));
    expect(result.map((i) => i.task_id)).toEqual([fits.uuid]);
    expect(statements).toBeLessThanOrEqual(10);
    expect(rows).toBeLessThan(3_000);
    const again = await statementsOf(db, (em) => admit(em));
    expect(again.result).toEqual([]);
    expect(again.rows).toBeLessThan(3_000);
  });

  it('asks once and locks nothing when no task waits', async () => {
    await makeWorld(db.em);
    const { result, statements } = await statementsOf(db, (em) => admit(em));
    expect([result, statements]).toEqual([[], 1]);
  });

  it('gives each task to one of eight dispatchers that run at once', async () => {
    const ctx = await makeWorld(db.em, { queue: { capacity: 30 } });
    await submit(ctx, {}, 100);
    const passes = await Promise.all(Array.from({ length: 8 }, () => admit(db.orm.em.fork() as Em, { limit: 7 })));
    const tasks = passes.flat().map((i) => i.task_id);
    expect(new Set(tasks).size).toBe(tasks.length);
    await admitAll(db.em);
    expect(await heldAmounts(db.em)).toMatchObject({ load: 30, pool_cpu: 30, worker_cpu: 30 });
    expect(await countOf(db.em, `instances where status = 'starting'`)).toBe(30);
  });

  it('leaves out what was moved to another queue after it was chosen', async () => {
    const ctx = await makeWorld(db.em);
    await makePool(db.em, 'p2', { cpu: 0.5, memory_mb: 1 });
    await makeQueue(db.em, 'q2', { pool: 'p2' });
    const [moved, stays] = [await submitOne(ctx), await submitOne(ctx)];
    const admitted = await db.em.transactional(async (tx) => {
      const room = await loadRoom(tx as Em, ['q'], { lock: true, lost_after_s: LOST_AFTER_S });
      const { decisions } = await chooseTasks(tx as Em, room, { queues: ['q'], limit: 10, lock: true });
      await query(db.orm.em.fork() as Em, `update tasks set queue = 'q2' where uuid = $1`, [moved.uuid]);
      return await writeAdmissions(tx as Em, decisions.admissions, Date.now());
    });
    expect(admitted.map((i) => i.task_id)).toEqual([stays.uuid]);
    expect(await sql('select queue, status from tasks where uuid = $1', [moved.uuid])).toEqual([{ queue: 'q2', status: 'queued' }]);
    expect(await heldAmounts(db.em)).toMatchObject({ load: 1, pool_cpu: 1 });
  });

  it('does not hold up a submit into the queue that it has locked', async () => {
    const ctx = await makeWorld(db.em);
    await submit(ctx, {}, 3);
    await db.em.transactional(async (tx) => {
      expect(await admit(tx as Em)).toHaveLength(3);
      const other = contextOf(db.orm.em.fork() as Em, ctx.actor);
      await query(other.em, `set lock_timeout = '2s'`);
      await submitOne(other);
    });
    expect(await countOf(db.em, 'tasks')).toBe(4);
  });

  describe('startable', () => {
    const look = (older_than_ms = 0) => startable(db.em, { older_than_ms, limit: 10 });

    it('offers again what was admitted and not claimed, and nothing else', async () => {
      const ctx = await makeWorld(db.em);
      await makeUser(db.em, 'bob');
      await submit(ctx, {}, 3);
      const [one, two, three] = await admit(db.em);
      if (!one || !two || !three) throw new Error('three were to be admitted');
      expect((await look()).map((i) => i.runid).sort()).toEqual([one, two, three].map((i) => i.runid).sort());
      await claim(db.em, one);
      await finishInstances(db.em, [{ runid: two.runid, lease_epoch: null, outcome: outcome('cancelled') }], 'user:ada');
      expect(await look()).toEqual([three]);
    });

    it('leaves fresh ones to the dispatcher that admitted them', async () => {
      const ctx = await makeWorld(db.em);
      await submit(ctx);
      await admit(db.em);
      expect(await look(60_000)).toEqual([]);
      await sql(`update instances set created_at = now() - interval '61 seconds'`);
      expect(await look(60_000)).toHaveLength(1);
    });
  });
});
