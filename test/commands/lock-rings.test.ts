import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { cancelTasks } from '../../commands/cancel-tasks.ts';
import type { CommandContext } from '../../commands/context.ts';
import { endOverdueTasks } from '../../commands/end-overdue.ts';
import { type FinishItem, finishInstances } from '../../commands/finish-instances.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import { settleKeys } from '../../commands/settle-keys.ts';
import { NO_RETRY } from '../../core/retry.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, emptyDatabase, makeTemplate, makeUser, makeWorld, outcome, submitOne } from '../support/factories.ts';
import { heldWhenStopped, openBlocker } from '../support/lock-probe.ts';

/**
 * The order in which rows are locked: task, instance, queue, pool, worker, grant, user, concurrency key. Each test stops a command at a row and sees
 * that it does not hold one that comes later in that order.
 */
describe('commands that lock several rows', () => {
  let db: TestDatabase;
  let ada: CommandContext;
  let bob: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ada = await makeWorld(db.em);
    bob = contextOf(db.em, await makeUser(db.em, 'bob'));
    const concurrency = { key: 'text', limit: 5, on_limit: 'queue' } as const;
    await makeTemplate(db.em, 'keyed', { concurrency, quota_cost: 1, retry: { max_attempts: 2, initial_s: 0.001, max_s: 0.001 } });
    await makeTemplate(db.em, 'paid', { quota_cost: 1 });
  });
  afterEach(async () => {
    const rows = await query<{ n: number }>(db.em, 'select deadlocks::int4 as n from pg_stat_database where datname = current_database()');
    expect(rows).toEqual([{ n: 0 }]);
  });

  const keyed = (ctx: CommandContext, text: string, item = {}) => submitOne(ctx, { template: 'keyed', parameters: { text }, ...item });
  const user = (ctx: CommandContext) => `select 1 from users where id = ${ctx.actor.id}`;
  const key = (text: string) => `select 1 from concurrency_keys where key = 'keyed/text="${text}"'`;
  const task = (uuid: string) => `select 1 from tasks where uuid = '${uuid}'`;
  const QUEUE = `select 1 from queues where name = 'q'`;
  const lock = (sql: string) => `${sql} for no key update`;
  const order = (first: string, second: string, command: (em: Em) => Promise<unknown>) =>
    heldWhenStopped(db, { stop: lock(first), probe: `${lock(second)} nowait`, command });
  const FREE = { held: false, rows: 1 };

  /** Instances of the tasks, in their order. */
  async function live(...uuids: string[]): Promise<FinishItem[]> {
    const admitted = await admit(db.em);
    const of = (uuid: string) => admitted.find(({ task_id }) => task_id === uuid)?.runid ?? '';
    return uuids.map((uuid) => ({ runid: of(uuid), lease_epoch: null, outcome: outcome('failed') }));
  }
  const end = (items: FinishItem[]) => (em: Em) => finishInstances(em, items, 'worker:w');
  const final: FinishItem['ended'] = { policy: NO_RETRY, retries_used: 0, at_most_once: false, holder: 'q w' };

  it('release what is due by the order of the keys, not of the times', async () => {
    await keyed(ada, 'b', { not_before: '2020-01-02T00:00:00Z' });
    await keyed(ada, 'a', { not_before: '2020-01-03T00:00:00Z' });
    await settleKeys(db.em);
    await query(db.em, `update tasks set status = 'pending', pending_reason = 'retry'`);
    expect(await order(key('a'), key('b'), (em) => releaseDue(em))).toEqual(FREE);
  });

  it('release tasks whose keys nobody has used yet in the same order', async () => {
    await keyed(ada, 'b', { not_before: '2020-01-02T00:00:00Z' });
    await keyed(ada, 'a', { not_before: '2020-01-03T00:00:00Z' });
    await settleKeys(db.em);
    await query(db.em, `update tasks set status = 'pending', pending_reason = 'retry'`);
    await query(db.em, `delete from concurrency_keys`);
    const stop = `insert into concurrency_keys (key, capacity, on_limit) values ('keyed/text="a"', 1, 'queue')`;
    const probe = `insert into concurrency_keys (key, capacity, on_limit) values ('keyed/text="b"', 1, 'queue') on conflict do nothing`;
    expect(await heldWhenStopped(db, { stop, probe, command: (em) => releaseDue(em) })).toEqual(FREE);
  });

  it('end what is overdue: users before keys, each in order', async () => {
    await keyed(bob, 'b', { queue_timeout_s: 1 });
    await keyed(ada, 'a', { queue_timeout_s: 1 });
    await settleKeys(db.em);
    await query(db.em, `update tasks set queued_at = queued_at - interval '1 h' - make_interval(secs => user_id)`);
    expect(await order(user(ada), user(bob), (em) => endOverdueTasks(em))).toEqual(FREE);
    await query(
      db.em,
      `update tasks set status = 'queued', completed_at = null, queued_at = now() - interval '1 h' - make_interval(secs => user_id)`,
    );
    await settleKeys(db.em);
    await query(db.em, `update users set used_quota = 1`);
    expect(await order(user(ada), key('a'), (em) => endOverdueTasks(em))).toEqual(FREE);
    await query(
      db.em,
      `update tasks set status = 'queued', completed_at = null, queued_at = now() - interval '1 h' - make_interval(secs => user_id)`,
    );
    await settleKeys(db.em);
    expect(await order(key('a'), key('b'), (em) => endOverdueTasks(em))).toEqual(FREE);
  });

  it('cancel a waiting task: its user before its key', async () => {
    const { uuid } = await keyed(ada, 'a');
    await settleKeys(db.em);
    expect(await order(user(ada), key('a'), (em) => cancelTask({ ...ada, em }, uuid, null))).toEqual(FREE);
  });

  it('cancel several tasks at once: tasks, instances, users, keys, and no queue', async () => {
    const [first, second] = [await keyed(ada, 'b'), await keyed(bob, 'a')];
    await settleKeys(db.em);
    const both = (em: Em) => em.transactional((tx) => cancelTasks({ ...ada, em: tx as Em }, [first.uuid, second.uuid], 'chaos'));
    await query(db.em, `update users set role = 'admin'`);
    ada = { ...ada, actor: { ...ada.actor, role: 'admin' } };
    expect(await order(task(second.uuid), key('b'), both)).toEqual(FREE);
    const third = [await keyed(ada, 'b'), await keyed(bob, 'a')];
    await admit(db.em);
    const all = (em: Em) =>
      em.transactional((tx) =>
        cancelTasks(
          { ...ada, em: tx as Em },
          third.map(({ uuid }) => uuid),
          'chaos',
        ),
      );
    const last = third.map(({ uuid }) => `'${uuid}'`).join();
    const stop = `select 1 from instances where runid = (select min(runid::text)::uuid from instances where task_id in (${last}))`;
    const probe = `select 1 from instances where runid = (select max(runid::text)::uuid from instances where task_id in (${last}))`;
    expect(await order(stop, probe, all)).toEqual(FREE);
    expect(await query(db.em, 'select current_load from queues')).toEqual([{ current_load: 2 }]);
  });

  it('retry and submit: the user before the key', async () => {
    const { uuid } = await keyed(ada, 'a');
    await cancelTask(ada, uuid, null);
    await keyed(bob, 'a');
    expect(await order(user(ada), key('a'), (em) => retryTask({ ...ada, em }, uuid))).toEqual(FREE);
    expect(await order(user(ada), key('a'), (em) => keyed({ ...ada, em }, 'a'))).toEqual(FREE);
  });

  it('end instances: the queue, then users in order, then keys in order', async () => {
    const fail = { template_version: 1, timeout: 5 };
    const tasks = [await keyed(bob, 'b', fail), await keyed(ada, 'a', fail)];
    await query(db.em, `update tasks set retries_used = 1`);
    const items = await live(...tasks.map(({ uuid }) => uuid));
    expect(await order(QUEUE, user(ada), end(items))).toEqual(FREE);
    const again = [await keyed(bob, 'b'), await keyed(ada, 'a')];
    await query(db.em, `update tasks set retries_used = 1 where status = 'queued'`);
    expect(await order(user(ada), user(bob), end(await live(...again.map(({ uuid }) => uuid))))).toEqual(FREE);
    const third = await keyed(ada, 'a');
    await query(db.em, `update tasks set retries_used = 1 where status = 'queued'`);
    expect(await order(user(ada), key('a'), end(await live(third.uuid)))).toEqual(FREE);
  });

  it('end a task that others wait for: those before its queue, whoever ends it and however it ends', async () => {
    const ways: [name: string, prepare: (uuid: string, items: FinishItem[]) => Promise<FinishItem[]>][] = [
      ['a worker that knows the retry rules', async (_, items) => items.map((item) => ({ ...item, ended: final }))],
      ['one that does not', async (_, items) => items],
      [
        'a retry that somebody has cancelled',
        async (uuid, items) => {
          await query(
            db.em,
            `update tasks set cancel_requested_at = now(), retry_policy = retry_policy || '{"max_attempts": 9}' where uuid = $1`,
            [uuid],
          );
          return items;
        },
      ],
    ];
    for (const [name, prepare] of ways) {
      const upstream = await submitOne(ada);
      const dependent = await submitOne(ada, { after: [{ task: upstream.uuid, condition: 'succeeded' }] });
      const items = await prepare(upstream.uuid, await live(upstream.uuid));
      expect({ name, ...(await order(task(dependent.uuid), QUEUE, end(items))) }).toEqual({ name, ...FREE });
    }
  });

  it('end a task whose first dependent comes while its end waits', async () => {
    const upstream = await submitOne(ada);
    const [item] = await live(upstream.uuid);
    const dependent = await submitOne(ada);
    await query(
      db.em,
      `update tasks set status = 'pending', pending_reason = 'dependency', waits_for = 1, queued_at = null where uuid = $1`,
      [dependent.uuid],
    );
    const submitting = await openBlocker(
      db,
      `with t as (select uuid from tasks where uuid = '${upstream.uuid}' for share)
       insert into task_dependencies (task_id, upstream_id, condition) select '${dependent.uuid}', uuid, 'succeeded' from t`,
    );
    const ended = end([item as FinishItem])(db.em.fork() as Em);
    await submitting.untilWaitedFor();
    const command = async () => {
      await submitting.end('commit');
      await ended;
    };
    expect(await order(task(dependent.uuid), QUEUE, command)).toEqual(FREE);
  });

  it('settle what waited: users before keys, each in order, after those of the task that ended', async () => {
    const upstream = await keyed(bob, 'z');
    const root = contextOf(db.em, await makeUser(db.em, 'root', { role: 'admin' }));
    await query(db.em, 'update tasks set retries_used = 1');
    const [item] = await live(upstream.uuid);
    const after = [{ task: upstream.uuid, condition: 'done' as const }];
    await keyed(root, 'b', { after });
    await keyed(root, 'a', { after });
    await submitOne(root, { template: 'paid', after: [{ task: upstream.uuid, condition: 'succeeded' }] });
    await query(
      db.em,
      `insert into concurrency_keys (key, capacity, on_limit) values ('keyed/text="a"', 5, 'queue'), ('keyed/text="b"', 5, 'queue')`,
    );
    await query(db.em, `update users set used_quota = 5`);
    const way = end([item as FinishItem]);
    expect(await order(user(root), key('z'), way)).toEqual(FREE);
  });
});
