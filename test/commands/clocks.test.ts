import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { endOverdueTasks, endUnstarted, endUnstoppable } from '../../commands/end-overdue.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { keepLeases } from '../../commands/keep-leases.ts';
import { retryTask } from '../../commands/retry-task.ts';
import { type Em, query } from '../../entities/sql.ts';
import { findTask } from '../../entities/task.queries.ts';
import type { TestDatabase } from '../support/database.ts';
import {
  admitAll,
  claim,
  contextOf,
  countOf,
  heldAmounts,
  makeTemplate,
  makeUser,
  NOTHING_HELD,
  outcome,
  startTask,
  submit,
  submitOne,
  taskRow,
} from '../support/factories.ts';
import { useWorld } from '../support/use-world.ts';

const BOOT_ID = '00000000-0000-4000-8000-000000000001';

describe('the clocks of a task', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld(async (world) => {
    ({ db, ctx } = world);
    await makeTemplate(db.em, 'stubborn', { retry: { max_attempts: 9, initial_s: 0 } });
  });

  const fork = () => db.orm.em.fork() as Em;
  /** Lets this much time pass for a task and its live instance. */
  const age = async (uuid: string, seconds: number) => {
    await query(
      db.em,
      `update tasks set queued_at = queued_at - make_interval(secs => $2), eligible_at = eligible_at - make_interval(secs => $2) where uuid = $1`,
      [uuid, seconds],
    );
    await query(
      db.em,
      `update instances set created_at = created_at - make_interval(secs => $2), due_at = due_at - make_interval(secs => $2),
         stop_by = stop_by - make_interval(secs => $2) where task_id = $1 and status in ('starting', 'running')`,
      [uuid, seconds],
    );
  };
  const dueIn = async (uuid: string): Promise<number | null> =>
    (
      await query<{ s: number | null }>(db.em, 'select round(extract(epoch from due_at - now()))::int4 as s from tasks where uuid = $1', [
        uuid,
      ])
    )[0]?.s ?? null;
  const error = (code: string) => ({ status: 'failed', status_reason: code, error: { code } });

  describe('in the queue', () => {
    it('fails a task that is queued for too long, not before, and gives back its quota', async () => {
      await makeTemplate(db.em, 'costly', { quota_cost: 2 });
      const carl = contextOf(db.em, await makeUser(db.em, 'carl', { quota: 5 }));
      const { uuid } = await submitOne(carl, { template: 'costly', queue_timeout_s: 100 });
      await age(uuid, 99);
      expect([await endOverdueTasks(db.em), await dueIn(uuid)]).toEqual([0, 1]);
      await age(uuid, 1);
      expect([await endOverdueTasks(db.em), await endOverdueTasks(db.em)]).toEqual([1, 0]);
      expect(await taskRow(db.em, uuid)).toMatchObject(error('queue_timeout'));
      expect(await query(db.em, `select used_quota from users where username = 'carl'`)).toEqual([{ used_quota: 0 }]);
      expect(await admitAll(db.em)).toBe(0);
    });

    it('stands still while the task is pending or runs, and starts anew with each queueing', async () => {
      const { uuid } = await submitOne(ctx, { queue_timeout_s: 100 });
      await age(uuid, 90);
      await holdTask(ctx, uuid);
      await age(uuid, 90);
      expect([await dueIn(uuid), await endOverdueTasks(db.em)]).toEqual([null, 0]);
      await releaseTask(ctx, uuid);
      expect(await dueIn(uuid)).toBe(100);
      const [instance] = await admit(db.em);
      await age(uuid, 500);
      expect([await dueIn(uuid), await endOverdueTasks(db.em)]).toEqual([null, 0]);
      await finishInstances(db.em, [{ runid: instance?.runid ?? '', lease_epoch: null, outcome: outcome('lost') }], 'reconciler');
      expect(await dueIn(uuid)).toBe(100);
    });

    it('is settled once by many who look, and cancels what waits for the task', async () => {
      const tasks = await submit(ctx, { queue_timeout_s: 10 }, 30);
      const down = await submitOne(ctx, { after: [{ task: tasks[0]?.uuid ?? '', condition: 'succeeded' }] });
      await query(db.em, `update tasks set queued_at = queued_at - interval '11 s'`);
      const ended = await Promise.all(Array.from({ length: 6 }, () => endOverdueTasks(fork())));
      expect(ended.reduce((sum, n) => sum + n, 0)).toBe(30);
      expect(await countOf(db.em, `task_history where reason = 'queue_timeout'`)).toBe(30);
      expect(await taskRow(db.em, down.uuid)).toMatchObject({ status: 'cancelled', status_reason: 'dependency_failed' });
    });

    it('agrees with admissions and cancellations at the same moment', async () => {
      for (let round = 0; round < 15; round += 1) {
        const { uuid } = await submitOne(ctx, { queue_timeout_s: 10 });
        await age(uuid, 11);
        await Promise.all([admit(fork()), endOverdueTasks(fork()), cancelTask({ ...ctx, em: fork() }, uuid, null).catch(() => undefined)]);
        expect(['failed', 'cancelled']).toContain((await taskRow(db.em, uuid)).status);
        expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      }
    });
  });

  describe('in all', () => {
    it('fails a task that waits, for whatever it waits, on hold too', async () => {
      const { uuid } = await submitOne(ctx, { total_timeout_s: 100 });
      await holdTask(ctx, uuid);
      await age(uuid, 101);
      expect(await endOverdueTasks(db.em)).toBe(1);
      expect(await taskRow(db.em, uuid)).toMatchObject(error('total_timeout'));
    });

    it('counts from the start time, and over all instances', async () => {
      const later = await submitOne(ctx, { total_timeout_s: 100, not_before: new Date(Date.now() + 1_000_000).toISOString() });
      expect(await dueIn(later.uuid)).toBe(1100);
      const { task, runid } = await startTask(ctx, { item: { template: 'stubborn', total_timeout_s: 100 } });
      await age(task.uuid, 60);
      await finishInstances(db.em, [{ runid, lease_epoch: null, outcome: outcome('failed') }], 'worker:w');
      expect(await dueIn(task.uuid)).toBe(40);
      await age(task.uuid, 41);
      expect(await endOverdueTasks(db.em)).toBe(1);
      expect(await taskRow(db.em, task.uuid)).toMatchObject(error('total_timeout'));
    });

    it('tells a running instance to stop, and its end is final whatever the retry policy says', async () => {
      const { task, runid } = await startTask(ctx, { item: { template: 'stubborn', total_timeout_s: 100 } });
      const look = async () =>
        (await keepLeases(db.em, { boot_id: BOOT_ID, leases: [{ runid, lease_epoch: 1, progress: 0, note: null }], write: false }))[0]
          ?.overdue;
      expect(await look()).toBe(false);
      await age(task.uuid, 101);
      expect([await look(), await endOverdueTasks(db.em), await endUnstoppable(db.em)]).toEqual([true, 0, []]);
      await finishInstances(db.em, [{ runid, lease_epoch: 1, outcome: outcome('timed_out', 'total_timeout') }], 'worker:w');
      expect(await taskRow(db.em, task.uuid)).toMatchObject(error('total_timeout'));
    });

    it('ends an instance by force that has not stopped a minute later', async () => {
      const { task, runid } = await startTask(ctx, { item: { template: 'stubborn', total_timeout_s: 100 } });
      await age(task.uuid, 161);
      expect(await endUnstoppable(db.em)).toMatchObject([{ runid, code: 'total_timeout' }]);
      expect(await taskRow(db.em, task.uuid)).toMatchObject(error('total_timeout'));
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
    });

    it('starts anew with the retry command', async () => {
      const { uuid } = await submitOne(ctx, { total_timeout_s: 100 });
      await age(uuid, 101);
      await endOverdueTasks(db.em);
      await retryTask(ctx, uuid);
      expect([await dueIn(uuid), await endOverdueTasks(db.em)]).toEqual([100, 0]);
    });
  });

  describe('of a starting instance', () => {
    it('queues the task again free of charge, three times in a row, then fails it', async () => {
      const { uuid } = await submitOne(ctx, { template: 'stubborn', start_timeout_s: 30 });
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const [instance] = await admit(db.em);
        await age(uuid, 31);
        expect(await endUnstarted(db.em, 1000)).toMatchObject([{ runid: instance?.runid, code: 'start_timeout' }]);
        expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'queued', retries_used: 0, attempt });
      }
      await admit(db.em);
      await age(uuid, 31);
      expect(await endUnstarted(db.em, 1000)).toMatchObject([{ code: 'no_worker' }]);
      expect(await taskRow(db.em, uuid)).toMatchObject({ ...error('no_worker'), retries_used: 0 });
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
    });

    it('does not run while Temporal was out of sight, nor for less than 300 s without a setting', async () => {
      const { uuid } = await submitOne(ctx);
      await admit(db.em);
      await age(uuid, 299);
      expect(await endUnstarted(db.em, 1000)).toEqual([]);
      await age(uuid, 2);
      expect(await endUnstarted(db.em, 299.9)).toEqual([]);
      expect(await endUnstarted(db.em, 300)).toHaveLength(1);
    });

    it('also repeats what must run at most once, since nobody began it, and counts anew after one that ran', async () => {
      await makeTemplate(db.em, 'once', { at_most_once: true });
      const { uuid } = await submitOne(ctx, { template: 'once', start_timeout_s: 10 });
      await admit(db.em);
      await age(uuid, 11);
      await endUnstarted(db.em, 1000);
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'queued' });
      expect(await countOf(db.em, 'tasks where start_timeouts = 1')).toBe(1);
      const [instance] = await admit(db.em);
      await claim(db.em, instance ?? { runid: '', worker: '' });
      await finishInstances(db.em, [{ runid: instance?.runid ?? '', lease_epoch: null, outcome: outcome('failed') }], 'worker:w');
      expect(await countOf(db.em, 'tasks where start_timeouts = 0')).toBe(1);
    });

    it('never takes an instance from a worker that claims it at that moment', async () => {
      for (let round = 0; round < 15; round += 1) {
        const { uuid } = await submitOne(ctx, { start_timeout_s: 10 });
        const [instance] = await admit(db.em);
        await age(uuid, 11);
        const [claimed, ended] = await Promise.all([claim(fork(), instance ?? { runid: '', worker: '' }), endUnstarted(fork(), 1000)]);
        expect([claimed !== null, ended.length === 1].filter(Boolean)).toHaveLength(1);
        await cancelTask(ctx, uuid, null);
        await query(db.em, `update instances set stop_by = now() where status = 'running'`);
        await endUnstoppable(db.em);
      }
    });
  });

  describe('of a cancellation', () => {
    it('gives running work its grace, ends it by force a minute later, once', async () => {
      const { task, runid } = await startTask(ctx);
      await cancelTask(ctx, task.uuid, { reason: 'enough', grace_s: 20 });
      const kept = await keepLeases(db.em, { boot_id: BOOT_ID, leases: [{ runid, lease_epoch: 1, progress: 0, note: null }], write: true });
      expect(kept).toEqual([{ runid, cancel_requested: true, cancel_grace_s: 20, overdue: false }]);
      await age(task.uuid, 79);
      expect(await endUnstoppable(db.em)).toEqual([]);
      await age(task.uuid, 2);
      const ended = await Promise.all(Array.from({ length: 4 }, () => endUnstoppable(fork())));
      expect(ended.flat()).toMatchObject([{ runid, code: 'cancelled' }]);
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'cancelled', status_reason: 'enough' });
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      expect(await finishInstances(db.em, [{ runid, lease_epoch: 1, outcome: outcome('completed') }], 'worker:w')).toEqual([]);
    });

    it('is shortened by a second one, never lengthened', async () => {
      const { task } = await startTask(ctx);
      const graces = async () => (await query(db.em, 'select cancel_grace_s from instances'))[0];
      await cancelTask(ctx, task.uuid, { reason: null, grace_s: 20 });
      await cancelTask(ctx, task.uuid, { reason: null, grace_s: 60 });
      expect(await graces()).toEqual({ cancel_grace_s: 20 });
      await cancelTask(ctx, task.uuid, { reason: null, grace_s: 0 });
      expect(await graces()).toEqual({ cancel_grace_s: 0 });
      await age(task.uuid, 61);
      expect(await endUnstoppable(db.em)).toHaveLength(1);
    });
  });

  it('come from the template unless the task says otherwise', async () => {
    await query(
      db.em,
      `with t as (insert into templates (name, engine) values ('clocked', 'empty') returning name)
       insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, queue_timeout_s, total_timeout_s)
       select name, 1, '{}', '{}', 'q', 1, 1, (select retry_policy from template_versions limit 1), 10, 20 from t`,
    );
    const plain = await submitOne(ctx, { template: 'clocked' });
    const other = await submitOne(ctx, { template: 'clocked', queue_timeout_s: null, start_timeout_s: 5 });
    expect(plain).toMatchObject({ queue_timeout_s: 10, start_timeout_s: null, total_timeout_s: 20 });
    expect(other).toMatchObject({ queue_timeout_s: null, start_timeout_s: 5, total_timeout_s: 20 });
    expect(await findTask(db.em, plain.uuid, { user_id: null })).toEqual({ ...plain, slas: [] });
    expect(await findTask(db.em, other.uuid, { user_id: null })).toEqual({ ...other, slas: [] });
  });
});
