import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { retryTask } from '../../commands/retry-task.ts';
import type { OnLimit } from '../../core/concurrency.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { admitAll, claim, countOf, emptyDatabase, makeWorld, outcome, submit, submitOne, taskRow } from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

describe('a concurrency key', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(() => emptyDatabase(db.em));
  afterEach(async () => {
    expect((await checkInvariants(db.em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
  });

  const world = async (limit = 1, on_limit: OnLimit = 'queue') => {
    ctx = await makeWorld(db.em, { template: { concurrency: { key: 'text', limit, on_limit } } });
  };
  const of = (text: string, count = 1) => submit(ctx, { parameters: { text } }, count);
  const started = async (em: Em = db.em) => (await admit(em)).map((i) => i.task_id);
  const end = async (status: 'completed' | 'failed' | 'lost' = 'completed') => {
    const live = await query<{ runid: string }>(
      db.em,
      `select runid from instances where status in ('starting', 'running') order by runid limit 1`,
    );
    await finishInstances(db.em, [{ runid: live[0]?.runid ?? '', lease_epoch: null, outcome: outcome(status) }], 'worker:w');
  };
  const keys = () => query(db.em, 'select key, held, dirty from concurrency_keys order by key');

  it('lets no more of its tasks run than its limit, and others as many as they want', async () => {
    await world(2);
    await of('a', 5);
    await of('b', 1);
    await submit(ctx, {}, 3);
    expect(await started()).toHaveLength(6);
    expect(await started()).toEqual([]);
    expect(await keys()).toEqual([
      { key: 't/text="a"', held: 2, dirty: false },
      { key: 't/text="b"', held: 1, dirty: false },
    ]);
    await end();
    expect(await started()).toHaveLength(1);
  });

  it('gives a free place to the most urgent that waits for it', async () => {
    await world(1);
    const [, late] = await of('a', 2);
    const [urgent] = await submit(ctx, { parameters: { text: 'a' }, priority: 90 });
    expect(await started()).toEqual([urgent?.uuid]);
    await end();
    await started();
    await end();
    expect(await started()).toEqual([late?.uuid]);
  });

  it('is given back by every way out of the queue: an end, a failure, a lost worker, a cancellation', async () => {
    await world(1);
    await of('a', 6);
    for (const way of ['completed', 'failed'] as const) {
      expect(await started()).toHaveLength(1);
      await end(way);
    }
    expect(await started()).toHaveLength(1);
    await end('lost');
    const [again] = await admit(db.em);
    expect(again?.attempt).toBe(2);
    await cancelTask(ctx, again?.task_id ?? '', null);
    expect(await started()).toHaveLength(1);
    await end();
    await query(db.em, `update queues set status = 'hold'`);
    await started();
    const [next] = await query<{ uuid: string }>(db.em, `select uuid from tasks where status = 'queued' and not parked`);
    await cancelTask(ctx, next?.uuid ?? '', null);
    await query(db.em, `update queues set status = 'active'`);
    expect(await started()).toHaveLength(1);
    await end();
    await started();
    await submit(ctx);
    await started();
    expect(await keys()).toEqual([]);
  });

  it('is asked for again by a retry', async () => {
    await world(1);
    const [first] = await of('a', 2);
    await started();
    await end('failed');
    await retryTask(ctx, first?.uuid ?? '');
    expect(await started()).toHaveLength(1);
    expect(await started()).toEqual([]);
    expect(await countOf(db.em, `tasks where status = 'queued' and parked`)).toBe(1);
  });

  it('shows in explain who holds it', async () => {
    await world(1);
    const [first, second] = await of('a', 2);
    const [instance] = await admit(db.em);
    const { gates, estimated_start } = await explainTask(ctx, second?.uuid ?? '', 60);
    expect(gates).toMatchObject([
      {
        gate: 'concurrency_key',
        subject: 'key t/text="a"',
        have: 0,
        need: 1,
        holders: [{ runid: instance?.runid, task_id: first?.uuid }],
      },
    ]);
    expect(gates[0]?.clears_at).toBe(estimated_start);
    expect(Date.parse(estimated_start ?? '')).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it('refuses with `reject` what exceeds the limit', async () => {
    await world(2, 'reject');
    await of('a', 2);
    await expect(of('a')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('2 of at most 2') });
    await expect(of('b', 3)).rejects.toMatchObject({ code: 'conflict' });
    expect(await started()).toHaveLength(2);
    await end();
    await of('a');
  });

  it('cancels with `cancel_newest` what comes when it is full', async () => {
    await world(1, 'cancel_newest');
    const [first] = await of('a');
    expect(await started()).toEqual([first?.uuid]);
    const [second] = await of('a');
    await started();
    expect(await taskRow(db.em, second?.uuid ?? '')).toMatchObject({
      status: 'cancelled',
      status_reason: expect.stringContaining('was full'),
    });
    expect((await taskRow(db.em, first?.uuid ?? '')).status).toBe('processing');
  });

  it('asks with `cancel_running` the older ones to stop and then starts the newest', async () => {
    await world(1, 'cancel_running');
    const first = await submitOne(ctx, { parameters: { text: 'a' } });
    const [instance] = await admit(db.em);
    await claim(db.em, instance as { runid: string; worker: string });
    const [second, third] = await of('a', 2);
    await started();
    expect((await taskRow(db.em, first.uuid)).cancel_requested).toBe(true);
    expect((await taskRow(db.em, second?.uuid ?? '')).status).toBe('cancelled');
    await finishInstances(db.em, [{ runid: instance?.runid ?? '', lease_epoch: 1, outcome: outcome('cancelled') }], 'worker:w');
    expect(await started()).toEqual([third?.uuid]);
  });

  it('costs a pass nothing while nothing happens to it: 2,000 full keys', async () => {
    await world(1);
    await of('a', 2);
    await query(db.em, COPY);
    await query(db.em, 'update queues set capacity = 5000');
    await admitAll(db.em);
    expect(await countOf(db.em, `tasks where status = 'processing'`)).toBe(2_001);
    await query(db.em, 'analyze tasks');
    const { result, rows } = await statementsOf(db, (em) => admit(em));
    expect(result).toEqual([]);
    expect(rows).toBeLessThan(500);
    await emptyDatabase(db.em);
  });
});

/** Two waiting tasks of each of 2,000 keys, as copies of one that is there. */
const COPY = `insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy,
    concurrency_key)
  select name, template, template_version_id, type, 'queued', queue, user_id, 0, 0, need, vtime, eligible_at, retry_policy, 'copy ' || n / 2
  from (select * from tasks limit 1) one, generate_series(0, 3999) n`;
