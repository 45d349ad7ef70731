import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
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
  submitOne,
  taskRow,
} from '../support/factories.ts';
import { useWorld } from '../support/use-world.ts';

const FUTURE = '2100-01-01T00:00:00Z';

describe('cancelling and retrying', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld(async (world) => {
    ({ db, ctx } = world);
    await makeTemplate(db.em, 'video', { quota_cost: 5, retry: { max_attempts: 5, initial_s: 60, max_s: 60 } });
  });

  const as = async (username: string, role: 'user' | 'operator' = 'user', quota: number | null = null) =>
    contextOf(db.em, await makeUser(db.em, username, { role, quota }));
  const finish = (runid: string, status: FinalInstanceStatus) =>
    finishInstances(db.em, [{ runid, lease_epoch: null, outcome: outcome(status) }], 'worker:w');
  const audits = (action: string) => countOf(db.em, `audit_log where action = $1 and actor = 'user:ada'`, [action]);
  const used = async (username: string) =>
    (await query<{ u: number }>(db.em, 'select used_quota as u from users where username = $1', [username]))[0]?.u;

  describe('cancelTask', () => {
    it.each([undefined, FUTURE])('ends a waiting task at once (not before %s)', async (not_before) => {
      const { uuid } = await submitOne(ctx, not_before ? { not_before } : {});
      await cancelTask(ctx, uuid, 'no need');
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'cancelled', status_reason: 'no need', pending_reason: null });
      expect(await admitAll(db.em)).toBe(0);
      expect(await audits('task.cancel')).toBe(1);
    });

    it('ends a task whose instance no worker has claimed, so that none can claim it any more', async () => {
      const instance = await startTask(ctx, { claimed: false });
      await cancelTask(ctx, instance.task.uuid, null);
      expect(await taskRow(db.em, instance.task.uuid)).toMatchObject({ status: 'cancelled', status_reason: 'cancelled' });
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      expect(await claim(db.em, instance)).toBeNull();
    });

    it('asks a running instance to stop, and leaves it what it holds until it has', async () => {
      const { runid, task } = await startTask(ctx);
      await cancelTask(ctx, task.uuid, 'stop');
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'processing', cancel_requested: true });
      expect(await countOf(db.em, 'instances where cancel_requested_at is not null')).toBe(1);
      expect(await heldAmounts(db.em)).toMatchObject({ load: 1 });
      await finish(runid, 'cancelled');
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'cancelled', status_reason: 'stop' });
    });

    it('lets work that was done in time count', async () => {
      const { runid, task } = await startTask(ctx);
      await cancelTask(ctx, task.uuid, null);
      await finish(runid, 'completed');
      expect((await taskRow(db.em, task.uuid)).status).toBe('completed');
    });

    it('keeps the first time when it is asked twice, and is content with a cancelled task', async () => {
      const { runid, task } = await startTask(ctx);
      await cancelTask(ctx, task.uuid, null);
      const first = await query(db.em, 'select cancel_requested_at from tasks');
      await cancelTask(ctx, task.uuid, null);
      expect(await query(db.em, 'select cancel_requested_at from tasks')).toEqual(first);
      await finish(runid, 'cancelled');
      await cancelTask(ctx, task.uuid, null);
      expect((await taskRow(db.em, task.uuid)).status).toBe('cancelled');
    });

    it.each(['completed', 'failed'] as const)('is refused for a %s task, and changes nothing', async (status) => {
      const { runid, task } = await startTask(ctx);
      await finish(runid, status);
      await expect(cancelTask(ctx, task.uuid, null)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(status) });
      expect(await audits('task.cancel')).toBe(0);
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status, cancel_requested: false });
    });

    it('does not know tasks of others, except for operators', async () => {
      const { uuid } = await submitOne(ctx);
      await expect(cancelTask(await as('eve'), uuid, null)).rejects.toMatchObject({ code: 'not_found' });
      await expect(cancelTask(ctx, '01900000-0000-7000-8000-000000000000', null)).rejects.toMatchObject({ code: 'not_found' });
      await cancelTask(await as('olga', 'operator'), uuid, null);
      expect((await taskRow(db.em, uuid)).status).toBe('cancelled');
    });

    it('gives back the quota of a task that waited', async () => {
      const carl = await as('carl', 'user', 5);
      const { uuid } = await submitOne(carl, { template: 'video' });
      await Promise.all([1, 2, 3].map(() => cancelTask(contextOf(db.orm.em.fork() as Em, carl.actor), uuid, null)));
      expect(await used('carl')).toBe(0);
    });

    it('agrees with an admission that comes at the same moment', async () => {
      for (let round = 0; round < 15; round += 1) {
        const { uuid } = await submitOne(ctx);
        await Promise.all([admit(db.orm.em.fork() as Em), cancelTask(contextOf(db.orm.em.fork() as Em, ctx.actor), uuid, null)]);
        expect((await taskRow(db.em, uuid)).status).toBe('cancelled');
        expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      }
    });

    it('stops a task that waits for its next attempt', async () => {
      const { runid, task } = await startTask(ctx, { item: { template: 'video' } });
      await finish(runid, 'failed');
      expect((await taskRow(db.em, task.uuid)).status).toBe('pending');
      await cancelTask(ctx, task.uuid, null);
      await query(db.em, `update tasks set not_before = now() - interval '1 second'`);
      expect([await releaseDue(db.em), await admitAll(db.em)]).toEqual([0, 0]);
    });
  });

  describe('retryTask', () => {
    it.each(['failed', 'cancelled'] as const)(
      'queues a %s task anew: fresh budget, next attempt, nothing left of the last',
      async (status) => {
        const { runid, task } = await startTask(ctx, { item: { template: 'video', priority: 80 } });
        await query(db.em, 'update tasks set retries_used = 4');
        if (status === 'cancelled') await cancelTask(ctx, task.uuid, 'x');
        await finish(runid, status);
        expect(await taskRow(db.em, task.uuid)).toMatchObject({ status });
        await retryTask(ctx, task.uuid);
        expect(await taskRow(db.em, task.uuid)).toMatchObject({
          status: 'queued',
          status_reason: null,
          retries_used: 0,
          attempt: 1,
          result: null,
          error: null,
          cancel_requested: false,
        });
        expect(await countOf(db.em, `tasks where vtime = eligible_at - interval '80 minutes' and completed_at is null`)).toBe(1);
        expect(await audits('task.retry')).toBe(1);
        expect(await admit(db.em)).toMatchObject([{ task_id: task.uuid, attempt: 2, workflow_id: `task/${task.uuid}/2` }]);
      },
    );

    it('is refused for a task that has not failed, and for one that completed', async () => {
      const refused = { code: 'conflict' };
      const { uuid } = await submitOne(ctx);
      await expect(retryTask(ctx, uuid)).rejects.toMatchObject(refused);
      const [instance] = await admit(db.em);
      await expect(retryTask(ctx, uuid)).rejects.toMatchObject(refused);
      await finish(instance?.runid ?? '', 'completed');
      await expect(retryTask(ctx, uuid)).rejects.toMatchObject(refused);
      expect(await audits('task.retry')).toBe(0);
    });

    it('is done once when it is asked ten times at once', async () => {
      const { uuid } = await submitOne(ctx);
      await cancelTask(ctx, uuid, null);
      const asked = await Promise.allSettled(
        Array.from({ length: 10 }, () => retryTask(contextOf(db.orm.em.fork() as Em, ctx.actor), uuid)),
      );
      expect(asked.filter((a) => a.status === 'fulfilled')).toHaveLength(1);
      expect(await admitAll(db.em)).toBe(1);
    });

    it('charges the owner’s quota again, and is refused without', async () => {
      const carl = await as('carl', 'user', 5);
      const { uuid } = await submitOne(carl, { template: 'video' });
      await cancelTask(carl, uuid, null);
      await retryTask(await as('olga', 'operator'), uuid);
      expect([await used('carl'), await used('olga')]).toEqual([5, 0]);
      await cancelTask(carl, uuid, null);
      await query(db.em, `update users set quota = 4 where username = 'carl'`);
      await expect(retryTask(carl, uuid)).rejects.toMatchObject({ code: 'quota_exceeded' });
      expect(await used('carl')).toBe(0);
      expect((await taskRow(db.em, uuid)).status).toBe('cancelled');
    });

    it('charges what a cancellation of the same moment gives back', async () => {
      const carl = await as('carl', 'user', 5);
      const { uuid } = await submitOne(carl, { template: 'video' });
      let retrying: Promise<void> = Promise.resolve();
      await db.orm.em.fork().transactional(async (tx) => {
        await cancelTask({ ...carl, em: tx as Em }, uuid, null);
        retrying = retryTask(contextOf(db.orm.em.fork() as Em, carl.actor), uuid);
        const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        await eventually(async () => expect(await query(db.em, waiting)).toHaveLength(1));
      });
      await retrying;
      expect([await used('carl'), (await taskRow(db.em, uuid)).status]).toEqual([5, 'queued']);
    });

    it('does not know tasks of others', async () => {
      const { uuid } = await submitOne(ctx);
      await cancelTask(ctx, uuid, null);
      await expect(retryTask(await as('eve'), uuid)).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  describe('releaseDue', () => {
    it('queues a task when its start time has come, not before, and once among many', async () => {
      const soon = await submitOne(ctx, { not_before: new Date(Date.now() + 3_600_000).toISOString() });
      const later = await submitOne(ctx, { not_before: FUTURE });
      expect([soon.status, later.pending_reason, await releaseDue(db.em)]).toEqual(['pending', 'not_before', 0]);
      await query(db.em, `update tasks set not_before = now() - interval '1 millisecond' where uuid = $1`, [soon.uuid]);
      const released = await Promise.all(Array.from({ length: 6 }, () => releaseDue(db.orm.em.fork() as Em)));
      expect(released.reduce((sum, n) => sum + n, 0)).toBe(1);
      expect(await taskRow(db.em, soon.uuid)).toMatchObject({ status: 'queued', pending_reason: null });
      expect((await admit(db.em)).map((i) => i.task_id)).toEqual([soon.uuid]);
    });

    it('leaves what waits for something else', async () => {
      const { uuid } = await submitOne(ctx, { not_before: FUTURE });
      await query(
        db.em,
        `update tasks set pending_reason = 'hold', held_at = now(), not_before = now() - interval '1 hour' where uuid = $1`,
        [uuid],
      );
      expect(await releaseDue(db.em)).toBe(0);
    });
  });
});
