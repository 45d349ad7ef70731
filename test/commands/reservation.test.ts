import { admit } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { refreshRunTimes } from '../../commands/refresh-run-times.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, countOf, emptyDatabase, makeQueue, makeTemplate, makeWorld, outcome, submit, submitOne } from '../support/factories.ts';

describe('the head of a line', () => {
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
    await makeTemplate(db.em, 'whole', { cpu: 4 });
  });
  afterEach(async () => {
    expect((await checkInvariants(db.em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
  });

  const sql = (text: string, parameters: unknown[] = []) => query(db.em, text, parameters);
  const started = async () => (await admit(db.em)).map((i) => i.task_id);
  const end = async (runid: string) =>
    await finishInstances(db.em, [{ runid, lease_epoch: null, outcome: outcome('completed') }], 'worker:w');
  const waited = async (uuid: string, seconds: number) =>
    await sql(
      `update tasks set eligible_at = eligible_at - make_interval(secs => $2), vtime = vtime - make_interval(secs => $2) where uuid = $1`,
      [uuid, seconds],
    );
  const liveOldest = async () =>
    (await query<{ runid: string }>(db.em, `select runid from instances where status in ('starting', 'running') order by runid`)).map(
      (r) => r.runid,
    );

  it('is passed by what fits as long as it has not waited long', async () => {
    await submit(ctx, {}, 3);
    expect(await started()).toHaveLength(3);
    const whole = await submitOne(ctx, { template: 'whole', priority: 100 });
    await submit(ctx, {}, 1);
    expect(await started()).toHaveLength(1);
    expect((await explainTask(ctx, whole.uuid, 60)).latest_start).toBeNull();
  });

  it('that needs the whole pool starts within its bound although small tasks never cease to come', async () => {
    await submit(ctx, {}, 4);
    await started();
    const whole = await submitOne(ctx, { template: 'whole' });
    await waited(whole.uuid, 121);
    const bound = await explainTask(ctx, whole.uuid, 60);
    expect(Date.parse(bound.latest_start ?? '')).toBeLessThanOrEqual(Date.now() + 3_600_000);
    for (const runid of await liveOldest()) {
      await submit(ctx, {}, 3);
      await end(runid);
      const now = await started();
      const left = await liveOldest();
      expect(now).toEqual(left.length === 1 && now.length === 1 ? [whole.uuid] : []);
    }
    expect(await countOf(db.em, `tasks where uuid = '${whole.uuid}' and status = 'processing'`)).toBe(1);
  });

  it('is passed for ever in a queue that wants it so (`best_effort`)', async () => {
    await sql(`update queues set policy = 'best_effort'`);
    await submit(ctx, {}, 4);
    await started();
    const whole = await submitOne(ctx, { template: 'whole' });
    await waited(whole.uuid, 100_000);
    await submit(ctx, {}, 1);
    await end((await liveOldest())[0] ?? '');
    expect(await started()).toHaveLength(1);
  });

  it('is passed by nothing in a strict queue, which does not hold up other queues', async () => {
    await sql(`update queues set policy = 'strict'`);
    await makeQueue(db.em, 'other');
    await submit(ctx, {}, 3);
    await started();
    await submitOne(ctx, { template: 'whole', priority: 60 });
    const [behind] = await submit(ctx, {}, 1);
    expect(await started()).toEqual([]);
    expect((await explainTask(ctx, behind?.uuid ?? '', 60)).gates).toMatchObject([{ gate: 'head_of_line' }]);
    const elsewhere = await submitOne(ctx, { queue: 'other' });
    expect(await started()).toEqual([elsewhere.uuid]);
  });

  it('is passed by nothing in a strict queue either where one just like it has started before it in the same pass', async () => {
    await sql(`update queues set policy = 'strict'`);
    await makeTemplate(db.em, 'large', { cpu: 3 });
    const first = await submitOne(ctx, { template: 'large', priority: 70 });
    await submitOne(ctx, { template: 'large', priority: 60 });
    await submitOne(ctx);
    expect(await started()).toEqual([first.uuid]);
  });

  it('has room kept for it, also where one just like it has started before it in the same pass', async () => {
    await submitOne(ctx, { timeout: 100 });
    await started();
    await makeTemplate(db.em, 'large', { cpu: 2 });
    const first = await submitOne(ctx, { template: 'large', priority: 70, timeout: 1000 });
    const second = await submitOne(ctx, { template: 'large', priority: 60 });
    await waited(second.uuid, 121);
    await waited(first.uuid, 121);
    await submitOne(ctx, { timeout: 1000 });
    expect(await started()).toEqual([first.uuid]);
  });

  it('lets pass what is over before room is free for it, by its time-out, and tells others why they wait', async () => {
    await submit(ctx, { timeout: 1000 }, 3);
    await started();
    const whole = await submitOne(ctx, { template: 'whole', priority: 100 });
    await waited(whole.uuid, 121);
    await makeTemplate(db.em, 'long', { cpu: 0.5 });
    const long = await submitOne(ctx, { template: 'long', timeout: 2000 });
    const short = await submitOne(ctx, { timeout: 100 });
    expect(await started()).toEqual([short.uuid]);
    await end((await liveOldest()).at(-1) ?? '');
    expect((await explainTask(ctx, long.uuid, 60)).gates).toMatchObject([{ gate: 'reservation', clears_at: expect.any(String) }]);
    const rows = await query<{ gate: string }>(
      db.em,
      `select gates->0->>'gate' as gate from admission_decisions d join tasks t on t.uuid = d.task_id where t.uuid = any($1) order by t.cpu`,
      [[long.uuid, whole.uuid]],
    );
    expect(rows.map((r) => r.gate)).toEqual(['reservation', 'pool_cpu']);
  });

  it('estimates by how long tasks of a template took before', async () => {
    const runs = [];
    for (let n = 0; n < 4; n += 1) runs.push(await submitOne(ctx));
    for (const instance of await admit(db.em)) {
      await claim(db.em, instance);
      await sql(`update instances set start_time = now() - interval '10 seconds' where runid = $1`, [instance.runid]);
      await end(instance.runid);
    }
    expect(await refreshRunTimes(db.em)).toBe(1);
    expect(await refreshRunTimes(db.em)).toBe(0);
    await submit(ctx, {}, 4);
    await started();
    const [, , , , last] = await submit(ctx, {}, 5);
    const { estimated_start, estimated_finish, gates } = await explainTask(ctx, last?.uuid ?? '', 60);
    expect(gates.map((g) => g.gate)).toEqual(['pool_cpu', 'worker_room']);
    expect(gates[0]).toMatchObject({ have: 0, need: 1, holders: [{}, {}, {}, {}] });
    const seconds = (time: string | null) => (Date.parse(time ?? '') - Date.now()) / 1000;
    expect(seconds(estimated_start)).toBeGreaterThan(15);
    expect(seconds(estimated_start)).toBeLessThan(22);
    expect(seconds(estimated_finish)).toBeLessThan(33);
  });

  it('of the lowest priority starts under a constant load of the highest within the ageing bound', async () => {
    await sql('update queues set capacity = 1, step_s = 1');
    const low = await submitOne(ctx, { priority: 0 });
    const { overtaken_until } = await explainTask(ctx, low.uuid, 60);
    expect(Math.round((Date.parse(overtaken_until ?? '') - Date.parse(low.eligible_at)) / 1000)).toBe(100);
    await sql(`update tasks set eligible_at = eligible_at - interval '101 seconds', vtime = vtime - interval '101 seconds'`);
    await submit(ctx, { priority: 100 }, 3);
    expect(await started()).toEqual([low.uuid]);
  });

  it('of a queue with strict priority goes before all of lower queues, however long they waited', async () => {
    await makeQueue(db.em, 'first', { priority: 60 });
    await sql(`update queues set strict_priority = true where name = 'first'`);
    await sql('update pools set total_cpu = 1');
    const old = await submitOne(ctx, { priority: 100 });
    await waited(old.uuid, 1_000_000);
    const urgent = await submitOne(ctx, { queue: 'first', priority: 0 });
    expect((await explainTask(ctx, old.uuid, 60)).overtaken_until).toBeNull();
    expect(await started()).toEqual([urgent.uuid]);
  });

  it('writes its decision at most once a second', async () => {
    await submitOne(ctx);
    await sql('update pools set total_cpu = 0.5');
    await started();
    const first = await sql('select gates, decided_at from admission_decisions');
    expect(first).toMatchObject([{ gates: [{ gate: 'pool_cpu' }] }]);
    await started();
    expect(await sql('select gates, decided_at from admission_decisions')).toEqual(first);
    await sql(`update admission_decisions set decided_at = now() - interval '2 seconds'`);
    await started();
    expect(await sql('select gates, decided_at from admission_decisions')).not.toEqual(first);
    await sql('update pools set total_cpu = 4');
    await started();
    expect(await sql('select 1 from admission_decisions')).toEqual([]);
  });

  it('numbers grants in the order in which the pool gave and got them, and finds a total that was exceeded', async () => {
    await submit(ctx, {}, 3);
    await started();
    await end((await liveOldest())[0] ?? '');
    const rows = await sql('select acquire_seq::int4 as a, release_seq::int4 as r from grants order by acquire_seq');
    expect(rows).toEqual([
      { a: 1, r: 4 },
      { a: 2, r: null },
      { a: 3, r: null },
    ]);
    await sql(`update pool_totals set total_cpu = 2`);
    const broken = (await checkInvariants(db.em)).filter(({ violations }) => violations.length > 0);
    expect(broken).toMatchObject([{ name: 'grants_replayed', violations: [{ pool: 'p' }] }]);
    await sql(`update pool_totals set total_cpu = 4`);
    await sql('update pools set total_cpu = 1');
    await end((await liveOldest())[0] ?? '');
  });
});
