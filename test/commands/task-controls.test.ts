import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { changeTask } from '../../commands/change-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import { type Em, query } from '../../entities/sql.ts';
import { findTask } from '../../entities/task.queries.ts';
import type { TestDatabase } from '../support/database.ts';
import {
  admitAll,
  contextOf,
  countOf,
  heldAmounts,
  makePool,
  makeQueue,
  makeTemplate,
  makeUser,
  NOTHING_HELD,
  outcome,
  startTask,
  submitOne,
  taskRow,
} from '../support/factories.ts';
import { useWorld } from '../support/use-world.ts';

const FUTURE = '2100-01-01T00:00:00Z';

describe('controls of a single task', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld((world) => {
    ({ db, ctx } = world);
  });

  const fork = () => db.orm.em.fork() as Em;
  const forked = (): CommandContext => ({ ...ctx, em: fork() });
  const finish = (runid: string, status: FinalInstanceStatus) =>
    finishInstances(fork(), [{ runid, lease_epoch: null, outcome: outcome(status) }], 'worker:w');
  const where = async (uuid: string) => {
    const { status, pending_reason } = await taskRow(db.em, uuid);
    return [status, pending_reason];
  };
  const audits = (action: string) => countOf(db.em, `audit_log where action = $1 and actor = 'user:ada'`, [action]);
  const keys = async (uuid: string) =>
    (await query<{ vtime: string }>(db.em, 'select vtime, queued_at from tasks where uuid = $1', [uuid]))[0];

  describe('a hold', () => {
    it('keeps a queued task from starting, and gives it back its place', async () => {
      const { uuid } = await submitOne(ctx);
      const before = await keys(uuid);
      await holdTask(ctx, uuid);
      await holdTask(ctx, uuid);
      expect([await where(uuid), await admitAll(db.em), await audits('task.hold')]).toEqual([['pending', 'hold'], 0, 1]);
      await releaseTask(ctx, uuid);
      await releaseTask(ctx, uuid);
      expect([await where(uuid), await audits('task.release')]).toEqual([['queued', null], 1]);
      expect((await keys(uuid))?.vtime).toBe(before?.vtime);
      expect(await admitAll(db.em)).toBe(1);
    });

    it('covers what the task waits for, which it goes back to', async () => {
      const { uuid } = await submitOne(ctx, { not_before: FUTURE });
      await holdTask(ctx, uuid);
      expect(await where(uuid)).toEqual(['pending', 'hold']);
      await releaseTask(ctx, uuid);
      expect(await where(uuid)).toEqual(['pending', 'not_before']);
      await holdTask(ctx, uuid);
      await query(db.em, `update tasks set not_before = now() - interval '1 second'`);
      expect(await releaseDue(db.em)).toBe(0);
      await releaseTask(ctx, uuid);
      expect(await where(uuid)).toEqual(['queued', null]);
    });

    it('lets a running instance go on, and keeps the next from starting', async () => {
      await makeTemplate(db.em, 'again', { retry: { max_attempts: 3, initial_s: 0 } });
      const { runid, task } = await startTask(ctx, { item: { template: 'again' } });
      await holdTask(ctx, task.uuid);
      expect(await where(task.uuid)).toEqual(['processing', null]);
      await finish(runid, 'failed');
      expect([await where(task.uuid), await admitAll(db.em)]).toEqual([['pending', 'hold'], 0]);
      await releaseTask(ctx, task.uuid);
      expect((await admit(db.em)).map((i) => i.attempt)).toEqual([2]);
    });

    it('lets a delayed retry fall due when it is released', async () => {
      await makeTemplate(db.em, 'slow', { retry: { max_attempts: 3, initial_s: 600 } });
      const { runid, task } = await startTask(ctx, { item: { template: 'slow' } });
      await holdTask(ctx, task.uuid);
      await finish(runid, 'failed');
      expect(await where(task.uuid)).toEqual(['pending', 'hold']);
      await releaseTask(ctx, task.uuid);
      expect(await where(task.uuid)).toEqual(['pending', 'retry']);
    });

    it('does not keep a task from being completed, cancelled or retried', async () => {
      const first = await startTask(ctx);
      await holdTask(ctx, first.task.uuid);
      await finish(first.runid, 'completed');
      expect((await taskRow(db.em, first.task.uuid)).status).toBe('completed');
      await expect(holdTask(ctx, first.task.uuid)).rejects.toMatchObject({ code: 'conflict' });
      await expect(releaseTask(ctx, first.task.uuid)).rejects.toMatchObject({ code: 'conflict' });
      const { uuid } = await submitOne(ctx);
      await holdTask(ctx, uuid);
      await cancelTask(ctx, uuid, null);
      await retryTask(ctx, uuid);
      expect(await where(uuid)).toEqual(['queued', null]);
    });

    it('agrees with admissions, cancellations and ends that come at the same moment', async () => {
      for (let round = 0; round < 15; round += 1) {
        const { uuid } = await submitOne(ctx);
        const running = await startTask(ctx);
        await Promise.all([
          admit(fork()),
          holdTask(forked(), uuid),
          cancelTask(forked(), running.task.uuid, null).catch(() => undefined),
          holdTask(forked(), running.task.uuid).catch(() => undefined),
          finish(running.runid, round % 2 ? 'lost' : 'completed'),
          releaseTask(forked(), running.task.uuid).catch(() => undefined),
        ]);
        expect(['completed', 'cancelled', 'pending', 'queued']).toContain((await taskRow(db.em, running.task.uuid)).status);
        await cancelTask(ctx, uuid, null);
        await cancelTask(ctx, running.task.uuid, null).catch(() => undefined);
        expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      }
    });

    it('is not for others, except operators', async () => {
      const { uuid } = await submitOne(ctx);
      const eve = contextOf(db.em, await makeUser(db.em, 'eve'));
      for (const attempt of [holdTask(eve, uuid), releaseTask(eve, uuid), changeTask(eve, uuid, { priority: 1 })]) {
        await expect(attempt).rejects.toMatchObject({ code: 'not_found' });
      }
      const olga = contextOf(db.em, await makeUser(db.em, 'olga', { role: 'operator' }));
      await holdTask(olga, uuid);
      expect(await where(uuid)).toEqual(['pending', 'hold']);
    });
  });

  describe('a change', () => {
    it('of the priority moves a task in its line, and says so', async () => {
      const [first, second] = [await submitOne(ctx), await submitOne(ctx)];
      await changeTask(ctx, second.uuid, { priority: 90 });
      expect((await admit(db.em, { limit: 1 })).map((i) => i.task_id)).toEqual([second.uuid]);
      expect(await query(db.em, `select before, after from audit_log where action = 'task.change'`)).toEqual([
        { before: { priority: 50 }, after: { priority: 90 } },
      ]);
      expect(await countOf(db.em, `tasks where vtime = eligible_at - priority * interval '60 s'`)).toBe(2);
      expect((await taskRow(db.em, first.uuid)).status).toBe('queued');
    });

    it('of the queue keeps the place by time, in the step of the new queue', async () => {
      await makeQueue(db.em, 'r', { step_s: 1 });
      const { uuid } = await submitOne(ctx);
      const before = await keys(uuid);
      await changeTask(ctx, uuid, { queue: 'r' });
      expect(await findTask(db.em, uuid, { user_id: null })).toMatchObject({ queue: 'r', status: 'queued' });
      expect(await keys(uuid)).toMatchObject({ queued_at: (before as { queued_at?: string }).queued_at });
      expect(await countOf(db.em, `tasks where vtime = eligible_at - interval '50 s'`)).toBe(1);
      const [instance] = await admit(db.em);
      expect(instance).toMatchObject({ task_id: uuid, queue: 'r' });
      expect(await query(db.em, 'select name, current_load from queues order by name')).toEqual([
        { name: 'q', current_load: 0 },
        { name: 'r', current_load: 1 },
      ]);
    });

    it.each([
      ['nowhere', 'invalid_input'],
      ['draining', 'conflict'],
      ['drained-pool', 'conflict'],
      ['small', 'unsatisfiable'],
      ['full', 'too_many'],
    ])('to the queue "%s" is refused as %s, and changes nothing', async (queue, code) => {
      await makeQueue(db.em, 'draining');
      await query(db.em, `update queues set status = 'drain' where name = 'draining'`);
      await makePool(db.em, 'p2');
      await query(db.em, `update pools set status = 'drain' where name = 'p2'`);
      await makeQueue(db.em, 'drained-pool', { pool: 'p2' });
      await makePool(db.em, 'p3', { cpu: 0.5, memory_mb: 1000 });
      await makeQueue(db.em, 'small', { pool: 'p3' });
      await makeQueue(db.em, 'full', { max_depth: 1 });
      await submitOne(ctx, { queue: 'full' });
      const { uuid } = await submitOne(ctx);
      await expect(changeTask(ctx, uuid, { priority: 1, queue })).rejects.toMatchObject({ code, errors: [{ pointer: '/queue' }] });
      expect(await findTask(db.em, uuid, { user_id: null })).toMatchObject({ queue: 'q', priority: 50 });
      expect(await audits('task.change')).toBe(0);
    });

    it('of the start time makes a task wait, wait longer, and start at once', async () => {
      const { uuid } = await submitOne(ctx);
      await changeTask(ctx, uuid, { not_before: FUTURE });
      expect(await where(uuid)).toEqual(['pending', 'not_before']);
      expect(await countOf(db.em, 'tasks where eligible_at = not_before')).toBe(1);
      await changeTask(ctx, uuid, { not_before: '2100-01-02T00:00:00Z' });
      expect(await countOf(db.em, `tasks where eligible_at = '2100-01-02T00:00:00Z'`)).toBe(1);
      await changeTask(ctx, uuid, { not_before: null });
      expect(await where(uuid)).toEqual(['queued', null]);
      expect(await countOf(db.em, 'tasks where eligible_at <= now() and not_before is null')).toBe(1);
      expect(await countOf(db.em, `task_history where reason = 'changed'`)).toBe(2);
    });

    it('of the time-out counts for the next instance, tags for the task', async () => {
      const { uuid } = await submitOne(ctx, { tags: { a: '1' } });
      await changeTask(ctx, uuid, { timeout: 7, tags: { b: '2' } });
      expect((await admit(db.em)).map((i) => i.timeout)).toEqual([7]);
      await changeTask(ctx, uuid, { tags: { c: '3' }, priority: 3 });
      expect(await findTask(db.em, uuid, { user_id: null })).toMatchObject({ tags: { c: '3' }, priority: 3, status: 'processing' });
    });

    it('is refused for what cannot change while it runs, and for everything once it is final', async () => {
      const { runid, task } = await startTask(ctx);
      await expect(changeTask(ctx, task.uuid, { priority: 3, timeout: 7, queue: 'q' })).rejects.toMatchObject({
        code: 'conflict',
        errors: [{ pointer: '/timeout' }, { pointer: '/queue' }],
      });
      await finish(runid, 'completed');
      await expect(changeTask(ctx, task.uuid, { tags: {} })).rejects.toMatchObject({ code: 'conflict' });
    });

    it('agrees with admissions at the same moment: a task is never admitted in two queues', async () => {
      await makeQueue(db.em, 'r');
      for (let round = 0; round < 15; round += 1) {
        const { uuid } = await submitOne(ctx);
        await Promise.all([admit(fork()), changeTask(forked(), uuid, { queue: 'r' }).catch(() => undefined), admit(fork())]);
        await admitAll(db.em);
        expect((await checkInvariants(db.em)).flatMap((r) => r.violations)).toEqual([]);
        await cancelTask(ctx, uuid, null);
      }
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
    });
  });
});
