import { admit } from '../../commands/admit.ts';
import { changeQueue } from '../../commands/change-queue.ts';
import { changeTask } from '../../commands/change-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { sampleShares } from '../../commands/user-shares.ts';
import { accrued } from '../../core/fair-share.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  emptyDatabase,
  makePool,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorker,
  outcome,
  submit,
} from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

describe('a queue that its users share', () => {
  let db: TestDatabase;
  let ada: CommandContext;
  let bob: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    await makePool(db.em, 'p', { cpu: 4, memory_mb: 10_000 });
    await makeQueue(db.em, 'q', { fairness: 'user' });
    await makeWorker(db.em);
    await makeTemplate(db.em);
    [ada, bob] = (await Promise.all(['ada', 'bob'].map(async (name) => contextOf(db.em, await makeUser(db.em, name))))) as [
      CommandContext,
      CommandContext,
    ];
  });
  afterEach(async () => {
    expect((await checkInvariants(db.em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
  });

  const usersOf = async (uuids: readonly string[]) =>
    (
      await query<{ username: string }>(
        db.em,
        `select username from unnest($1::uuid[]) as a(uuid) join tasks t on t.uuid = a.uuid join users u on u.id = t.user_id order by username`,
        [uuids],
      )
    ).map(({ username }) => username);
  const start = async () => await usersOf((await admit(db.em)).map((i) => i.task_id));
  const endAll = async () => {
    const live = await query<{ runid: string }>(db.em, `select runid from instances where status in ('starting', 'running')`);
    const items = live.map(({ runid }) => ({ runid, lease_epoch: null, outcome: outcome('completed') }));
    await finishInstances(db.em, items, 'worker:w');
  };
  const usage = async () =>
    Object.fromEntries(
      (
        await query<{ username: string; usage: number }>(db.em, 'select username, usage from user_shares join users u on u.id = user_id')
      ).map((row) => [row.username, row.usage]),
    );

  it('serves them in turn, however many tasks one of them has sent first', async () => {
    await submit(ada, {}, 50);
    await submit(bob, {}, 3);
    expect(await start()).toEqual(['ada', 'ada', 'bob', 'bob']);
    await endAll();
    expect(await start()).toEqual(['ada', 'ada', 'ada', 'bob']);
  });

  it('leaves no room unused: who is alone gets everything', async () => {
    await submit(ada, {}, 6);
    expect(await start()).toEqual(['ada', 'ada', 'ada', 'ada']);
  });

  it('remembers what was used: who has had the pool for an hour comes after who has not', async () => {
    await submit(ada, {}, 4);
    await start();
    await query(db.em, `update user_shares set as_of = as_of - interval '1 hour'`);
    await sampleShares(db.em);
    expect((await usage()).ada).toBeCloseTo(accrued(5, 1, 3_600), 0);
    await endAll();
    await submit(ada, {}, 8);
    await submit(bob, {}, 8);
    expect(await start()).toEqual(['bob', 'bob', 'bob', 'bob']);
    await endAll();
    await query(db.em, `update user_shares set as_of = as_of - interval '1 day'`);
    expect(await start()).toEqual(['ada', 'ada', 'bob', 'bob']);
  });

  it('counts the greater share of cores and memory, and each start at once', async () => {
    await makeTemplate(db.em, 'large', { cpu: 0.5, memory_mb: 5_000 });
    await submit(ada, { template: 'large' }, 1);
    await submit(bob, {}, 1);
    await start();
    expect(await usage()).toEqual({ ada: 2.5, bob: 1.25 });
  });

  it('serves each user’s own tasks by priority', async () => {
    await submit(ada, { priority: 10 }, 3);
    const [urgent] = await submit(ada, { priority: 90 }, 1);
    await submit(bob, {}, 3);
    const admitted = (await admit(db.em, { limit: 2 })).map((i) => i.task_id);
    expect(admitted).toContain(urgent?.uuid);
    expect(await usersOf(admitted)).toEqual(['ada', 'bob']);
  });

  it('explains position, share and who goes before', async () => {
    await submit(ada, {}, 4);
    await start();
    await submit(bob, {}, 2);
    const [, second] = await submit(ada, {}, 2);
    const explained = await explainTask(ada, second?.uuid ?? '', 60);
    expect(explained).toMatchObject({ position: 2, overtaken_until: null, fair_share: { usage_s: 5, users_before: 1, users_waiting: 2 } });
    expect(explained.gates).toMatchObject([{ gate: 'pool_cpu' }]);
  });

  it('takes over a queue that was not fair, and gives it back, task by task', async () => {
    await changeQueue(ada, 'q', { fairness: 'none' });
    await submit(ada, {}, 30);
    await submit(bob, {}, 30);
    await changeQueue(ada, 'q', { fairness: 'user' });
    await admit(db.em);
    expect(
      await query(
        db.em,
        `select count(distinct need)::int4 as needs, count(*) filter (where need not like '%user%')::int4 as plain from tasks where status = 'queued'`,
      ),
    ).toEqual([{ needs: 2, plain: 0 }]);
    await endAll();
    expect(await start()).toEqual(['bob', 'bob', 'bob', 'bob']);
    await changeQueue(ada, 'q', { fairness: 'none' });
    await endAll();
    await admit(db.em);
    expect(await query(db.em, `select count(distinct need)::int4 as needs from tasks where status = 'queued'`)).toEqual([{ needs: 1 }]);
    await endAll();
    expect(await start()).toEqual(['ada', 'ada', 'ada', 'ada']);
  });

  it('groups a task by its user when it is moved there', async () => {
    await makeQueue(db.em, 'plain');
    await query(db.em, `update pools set status = 'hold'`);
    const [task] = await submit(ada, { queue: 'plain' });
    await changeTask(ada, task?.uuid ?? '', { queue: 'q' });
    expect(await query(db.em, 'select need from tasks')).toEqual([{ need: `empty|1|100|user ${ada.actor.id}` }]);
  });

  it('costs a pass by its users, not by their tasks', async () => {
    await submit(ada, {}, 1_000);
    await submit(bob, {}, 1_000);
    await start();
    const { rows } = await statementsOf(db, (em) => admit(em));
    expect(rows).toBeLessThan(60);
  });
});
