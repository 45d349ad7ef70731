import { admit } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { keepLeases } from '../../commands/keep-leases.ts';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, makePool, makeQueue, makeTemplate, makeWorker, makeWorld, outcome, submit } from '../support/factories.ts';

const BOOT = '00000000-0000-4000-8000-000000000001';
const ROUNDS = 12;

describe('writers that touch the same rows', () => {
  let db: TestDatabase;
  let orm: MikroORM;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
    orm = await createOrm({ url: db.url, pool_max: 12, application_name: 'locks' });
    ctx = await makeWorld(db.em);
    for (const n of [1, 2, 3]) {
      await makePool(db.em, `p${n}`);
      await makeQueue(db.em, `q${n}`, { pool: `p${n}` });
      await makeWorker(db.em, `w${n}`, { pool: `p${n}` });
      await makeTemplate(db.em, `t${n}`, { queue: `q${n}` });
    }
  });
  afterAll(async () => {
    await orm.close(true);
    await db.drop();
  });

  const em = () => orm.em.fork() as Em;

  /** Claimed instances in four queues, four pools and on four workers. */
  async function running(each: number) {
    for (const template of ['t', 't1', 't2', 't3']) await submit(ctx, { template }, each);
    const admitted = await admit(db.em);
    await Promise.all(admitted.map((instance) => claim(em(), instance)));
    return admitted;
  }

  const end = (runids: string[]) =>
    finishInstances(
      em(),
      runids.map((runid) => ({ runid, lease_epoch: null, outcome: outcome('completed') })),
      'reconciler',
    );
  const beat = (runids: string[]) =>
    keepLeases(em(), { boot_id: BOOT, leases: runids.map((runid) => ({ runid, lease_epoch: 1, progress: 1, note: null })), write: true });

  it('never deadlock: heartbeats of many instances and ends of the same, in whatever order each names them', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const runids = (await running(12)).map((i) => i.runid);
      const turned = runids.toReversed();
      await Promise.all([beat(runids), end(turned), beat(turned), end(runids), beat(turned), beat(runids)]);
    }
  });

  it('never deadlock: ends across queues, pools and workers, beside admissions', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const admitted = await running(4);
      const waves = Array.from({ length: 4 }, (_, part) => admitted.filter((_instance, i) => i % 4 === part).map((i) => i.runid));
      await submit(ctx, { template: 't2' }, 2);
      const turned = waves.map((wave, i) => (i % 2 ? wave.toReversed() : wave));
      await Promise.all([...turned.map(end), admit(em(), { limit: 1 }), admit(em(), { limit: 1 })]);
      await end((await query<{ runid: string }>(db.em, `select runid from instances where status = 'starting'`)).map((row) => row.runid));
    }
  });
});
