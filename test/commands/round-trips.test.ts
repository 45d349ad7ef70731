import { randomUUID } from 'node:crypto';
import { admit } from '../../commands/admit.ts';
import { appendLogs } from '../../commands/append-logs.ts';
import { claimInstances } from '../../commands/claim-instance.ts';
import type { CommandContext } from '../../commands/context.ts';
import { type FinishItem, finishInstances, holderOf } from '../../commands/finish-instances.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { makeSubmitting } from '../../commands/submitting.ts';
import type { Em } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { emptyDatabase, makeWorld, outcome, submission, submit, testEngines } from '../support/factories.ts';
import { type CountedDatabase, countedDatabase } from '../support/round-trips.ts';

/** What a task waits for on its way: each round trip costs latency, CPU of two processes, and places in the connection pool. They must not grow unnoticed. */
describe('round trips to the database', () => {
  let db: TestDatabase;
  let counted: CountedDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
    counted = await countedDatabase(db);
  });
  afterAll(async () => {
    await counted.close();
    await db.drop();
  });
  beforeEach(async () => {
    await emptyDatabase(db.em);
    const world = await makeWorld(db.em);
    ctx = { ...world, submitting: makeSubmitting(counted.fork) };
    await counted.count((em) => send(em));
    await counted.count((em) => admit(em));
  });

  const BOOT_ID = '00000000-0000-4000-8000-000000000001';
  const send = (em: Em, key: string | null = null) => {
    const idempotency = key ? { key, request_hash: 'h'.repeat(64) } : null;
    return submitTasks({ ...ctx, em }, { items: [submission()], idempotency }, testEngines);
  };
  const claim = (em: Em, runids: string[]) =>
    claimInstances(
      em,
      runids.map((runid) => ({ runid, execution: 1, temporal_run_id: randomUUID() })),
      { worker: 'w', boot_id: BOOT_ID },
    );

  it('submit: one, with and without a key', async () => {
    expect((await counted.count((em) => send(em))).round_trips).toBe(1);
    expect((await counted.count((em) => send(em, 'new'))).round_trips).toBe(1);
  });

  it('admission pass: one when nothing waits, six when something starts, whatever waits behind it', async () => {
    expect((await counted.count((em) => admit(em))).round_trips).toBe(1);
    await submit(ctx);
    const one = await counted.count((em) => admit(em));
    expect(one).toMatchObject({ result: [{ queue: 'q' }], round_trips: 6 });
    await submit(ctx, {}, 150);
    const many = await counted.count((em) => admit(em, { limit: 100 }));
    expect(many.result).toHaveLength(100);
    expect(many.round_trips).toBeLessThanOrEqual(8);
  });

  it('admission pass: six when an end made room for one of many', async () => {
    await db.em.execute(`update queues set capacity = 1`);
    await db.em.execute(`update pools set total_cpu = 1`);
    await submit(ctx, {}, 300);
    const [live] = await db.em.execute<{ runid: string }[]>(`select runid from grants where released_at is null`);
    await finishInstances(db.em as Em, [{ runid: live?.runid ?? '', lease_epoch: null, outcome: outcome('completed') }], 'test');
    const refill = await counted.count((em) => admit(em, { record: false }));
    expect(refill).toMatchObject({ result: [{ queue: 'q' }], round_trips: 6 });
  });

  it('claim: one, finish: one, of any number; log lines: one', async () => {
    await submit(ctx, {}, 51);
    const runids = (await admit(db.em as Em)).map(({ runid }) => runid);
    const claims = await counted.count((em) => claim(em, runids));
    expect(claims).toMatchObject({ round_trips: 1 });
    expect(claims.result).toHaveLength(51);
    const lines = [{ seq: 1, stream: 'stdout' as const, line: 'a line' }];
    const logs = await counted.count((em) => appendLogs(em, { runid: runids[0] as string, lease_epoch: 1, lines, cut: 0 }));
    expect(logs).toEqual({ result: true, round_trips: 1 });
    const items: FinishItem[] = claims.result.map(({ runid, policy, retries_used, at_most_once, charged, queue }) => ({
      runid,
      lease_epoch: 1,
      outcome: outcome('completed'),
      ended: { policy, retries_used, at_most_once, charged, holder: holderOf({ queue, worker: 'w' }) },
    }));
    expect((await counted.count((em) => finishInstances(em, items.slice(0, 1), 'w'))).round_trips).toBe(1);
    const rest = await counted.count((em) => finishInstances(em, items.slice(1), 'w'));
    expect(rest.round_trips).toBe(1);
    expect(rest.result).toHaveLength(50);
  });
});
