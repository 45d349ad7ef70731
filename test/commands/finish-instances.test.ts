import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { TestDatabase } from '../support/database.ts';
import {
  admitAll,
  claim,
  contextOf,
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

const RETRY = { max_attempts: 3, initial_s: 60, factor: 2, max_s: 600, jitter: 0 };

describe('finishInstances', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld(async (world) => {
    ({ db, ctx } = world);
    await makeTemplate(db.em, 'retried', { retry: RETRY });
    await makeTemplate(db.em, 'once', { at_most_once: true, retry: RETRY });
  });

  const finish = (
    runid: string,
    status: FinalInstanceStatus = 'completed',
    { epoch = 1, em = db.em }: { epoch?: number | null; em?: Em } = {},
  ) => finishInstances(em, [{ runid, lease_epoch: epoch, outcome: outcome(status) }], 'worker:w');

  describe('of lost instances', () => {
    /** Runs the task once more and loses, or otherwise ends, its instance. */
    const again = async (status: FinalInstanceStatus, code: string = status, { runs = true } = {}) => {
      const [instance] = await admit(db.em);
      if (runs && instance) await claim(db.em, instance);
      await finishInstances(db.em, [{ runid: instance?.runid ?? '', lease_epoch: null, outcome: outcome(status, code) }], 'reconciler');
    };
    const lose = async (times: number) => {
      for (let n = 0; n < times; n += 1) await again('lost', 'worker_lost');
    };

    it('repeats the task free of charge, but fails it with the third worker in a row: it may be what kills them', async () => {
      const { uuid } = await submitOne(ctx, { template: 'retried' });
      await lose(2);
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'queued', attempt: 2, retries_used: 0 });
      await lose(1);
      expect(await taskRow(db.em, uuid)).toMatchObject({
        status: 'failed',
        status_reason: 'worker_killer',
        error: { code: 'worker_killer', message: expect.stringContaining('3 workers in a row') },
      });
      expect(
        await query(db.em, `select subject, to_status, reason from task_history where task_id = $1 order by id desc limit 2`, [uuid]),
      ).toEqual(
        expect.arrayContaining([
          { subject: 'task', to_status: 'failed', reason: 'worker_killer' },
          { subject: 'instance', to_status: 'lost', reason: 'worker_lost' },
        ]),
      );
      await retryTask(ctx, uuid);
      await lose(2);
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'queued', attempt: 5 });
    });

    it('goes by the template', async () => {
      await makeTemplate(db.em, 'fragile', { retry: { ...RETRY, max_losses: 1 } });
      const { uuid } = await submitOne(ctx, { template: 'fragile' });
      await lose(1);
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'failed', status_reason: 'worker_killer' });
    });

    it('counts anew after an end of another kind, not what nobody ran or a worker gave back, and lets a cancellation win', async () => {
      const { uuid } = await submitOne(ctx, { template: 'retried' });
      await lose(2);
      await again('failed');
      await query(db.em, `update tasks set not_before = now() - interval '1 second'`);
      await releaseDue(db.em);
      await lose(2);
      await again('lost', 'worker_lost', { runs: false });
      await again('lost', 'start_timeout', { runs: false });
      await again('lost', 'worker_shutdown');
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'queued', attempt: 8 });
      await query(db.em, `update tasks set cancel_requested_at = now()`);
      await lose(1);
      expect(await taskRow(db.em, uuid)).toMatchObject({ status: 'cancelled' });
    });
  });

  it('stores result, end and history, and gives everything back', async () => {
    const { runid, task } = await startTask(ctx);
    expect(await heldAmounts(db.em)).toEqual({ load: 1, pool_cpu: 1, pool_memory: 100, worker_cpu: 1, worker_memory: 100 });
    expect(await finish(runid)).toEqual([{ runid, task_id: task.uuid, task_status: 'completed' }]);
    expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
    expect(await taskRow(db.em, task.uuid)).toMatchObject({
      status: 'completed',
      result: { done: true },
      error: null,
      status_reason: null,
    });
    const [instance] = await query(db.em, 'select status, code, progress, result from instances where end_time >= start_time');
    expect(instance).toEqual({ status: 'completed', code: 'ok', progress: 100, result: { done: true } });
    const history = await query<{ subject: string; to_status: string }>(db.em, 'select subject, to_status from task_history order by id');
    expect(history.map((h) => `${h.subject} ${h.to_status}`)).toEqual([
      'task queued',
      'task processing',
      'instance starting',
      'instance running',
      'instance completed',
      'task completed',
    ]);
  });

  it.each([
    ['failed', 'failed'],
    ['timed_out', 'failed'],
    ['cancelled', 'cancelled'],
  ] as const)('makes the task of a %s instance without retries %s, with the reason', async (status, task_status) => {
    const { runid, task } = await startTask(ctx);
    await finish(runid, status);
    expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: task_status, status_reason: status, error: { code: status } });
  });

  it('lets one of 20 simultaneous finishes win, and releases once', async () => {
    const { runid } = await startTask(ctx);
    const ways: FinalInstanceStatus[] = ['completed', 'failed', 'lost', 'timed_out', 'cancelled'];
    const calls = Array.from({ length: 20 }, (_, i) => finish(runid, ways[i % 5], { epoch: i % 2 ? 1 : null, em: db.orm.em.fork() as Em }));
    expect((await Promise.all(calls)).flat()).toHaveLength(1);
    expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
  });

  it('does nothing a second time', async () => {
    const { runid, task } = await startTask(ctx);
    await finish(runid, 'failed');
    const before = await query(db.em, 'select * from tasks');
    expect(await finish(runid, 'completed', { epoch: null })).toEqual([]);
    expect(await query(db.em, 'select * from tasks')).toEqual(before);
    expect((await taskRow(db.em, task.uuid)).status).toBe('failed');
  });

  it('lets a superseded execution write nothing', async () => {
    const instance = await startTask(ctx);
    await claim(db.em, instance, 2);
    const before = await query(db.em, 'select * from instances');
    expect(await finish(instance.runid, 'completed', { epoch: 1 })).toEqual([]);
    expect(await query(db.em, 'select * from instances')).toEqual(before);
    expect(await finish(instance.runid, 'completed', { epoch: 2 })).toHaveLength(1);
  });

  it('ignores instances that do not exist', async () => {
    expect(await finish('01900000-0000-7000-8000-000000000000', 'lost', { epoch: null })).toEqual([]);
    expect(await finishInstances(db.em, [], 'worker:w')).toEqual([]);
  });

  it('finishes a wave of 50 in one call, each in its own way', async () => {
    await submit(ctx, {}, 50);
    const admitted = await admit(ctx.em);
    expect(admitted).toHaveLength(50);
    for (const instance of admitted) await claim(db.em, instance);
    const stale = 7;
    const items = admitted.map(({ runid }, i) => ({
      runid,
      lease_epoch: i === stale ? 0 : 1,
      outcome: outcome(i % 2 ? 'completed' : 'failed'),
    }));
    const done = await finishInstances(db.em, items, 'worker:w');
    expect(done).toHaveLength(49);
    expect(done.filter((d) => d.task_status === 'completed')).toHaveLength(24);
    expect(await heldAmounts(db.em)).toMatchObject({ load: 1, pool_cpu: 1, worker_cpu: 1 });
  });

  describe('when the task may be repeated', () => {
    const item = { template: 'retried' };

    it('lets it wait for its delay, holding nothing, and then queue again in its old place', async () => {
      const { runid, task } = await startTask(ctx, { item });
      const [before] = await query(db.em, 'select vtime, eligible_at from tasks');
      await finish(runid, 'failed');
      const waiting = await taskRow(db.em, task.uuid);
      expect(waiting).toMatchObject({ status: 'pending', pending_reason: 'retry', status_reason: 'failed', retries_used: 1 });
      const delay = new Date(waiting.not_before as string).getTime() - Date.now();
      expect(delay / 1000).toBeGreaterThan(55);
      expect(delay / 1000).toBeLessThanOrEqual(60);
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
      expect([await releaseDue(db.em), await admitAll(db.em)]).toEqual([0, 0]);

      await query(db.em, `update tasks set not_before = now() - interval '1 second'`);
      expect([await releaseDue(db.em), await releaseDue(db.em)]).toEqual([1, 0]);
      expect(await query(db.em, 'select vtime, eligible_at from tasks')).toEqual([before]);
      const [again] = await admit(ctx.em);
      expect(again).toMatchObject({ task_id: task.uuid, attempt: 2, workflow_id: `task/${task.uuid}/2` });
      expect(again?.runid).not.toBe(runid);
    });

    it('fails after its last repetition', async () => {
      const { runid, task } = await startTask(ctx, { item });
      await finish(runid, 'failed');
      for (const used of [1, 2]) {
        expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'pending', retries_used: used });
        await query(db.em, `update tasks set not_before = now() - interval '1 second'`);
        await releaseDue(db.em);
        const [instance] = await admit(ctx.em);
        await finish(instance?.runid ?? '', 'timed_out', { epoch: null });
      }
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'failed', status_reason: 'timed_out', retries_used: 2, attempt: 3 });
    });

    it('queues again at once and free of charge when it was lost', async () => {
      const { runid, task } = await startTask(ctx, { item });
      await finish(runid, 'lost', { epoch: null });
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'queued', pending_reason: null, retries_used: 0 });
      expect(await admit(ctx.em)).toMatchObject([{ task_id: task.uuid, attempt: 2 }]);
    });

    it('is not run again when it was lost and may run at most once', async () => {
      const { runid, task } = await startTask(ctx, { item: { template: 'once' } });
      await finish(runid, 'lost', { epoch: null });
      expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'failed', status_reason: 'lost' });
    });

    it.each(['lost', 'failed', 'timed_out'] as const)(
      'is cancelled, not repeated, when it was %s after somebody asked to stop it',
      async (status) => {
        const { runid, task } = await startTask(ctx, { item });
        await cancelTask(ctx, task.uuid, 'changed my mind');
        expect((await taskRow(db.em, task.uuid)).status).toBe('processing');
        await finish(runid, status, { epoch: null });
        expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'cancelled', status_reason: 'changed my mind' });
        expect(await admitAll(db.em)).toBe(0);
      },
    );
  });

  describe('when the task cost quota', () => {
    const used = async () => (await query<{ u: number }>(db.em, `select used_quota as u from users where username = 'carl'`))[0]?.u;

    it.each([
      ['completed', 5],
      ['failed', 0],
      ['cancelled', 0],
      ['timed_out', 0],
      ['lost', 5],
    ] as const)('keeps or refunds it after %s: %i used', async (status, left) => {
      await makeTemplate(db.em, 'video', { quota_cost: 5 });
      const carl = contextOf(db.em, await makeUser(db.em, 'carl', { quota: 5 }));
      const { runid } = await startTask(carl, { item: { template: 'video' } });
      expect(await used()).toBe(5);
      await finish(runid, status, { epoch: null });
      await finish(runid, status, { epoch: null });
      expect(await used()).toBe(left);
    });
  });

  it('agrees with a cancel that comes at the same moment: one end, nothing held', async () => {
    for (let round = 0; round < 15; round += 1) {
      const { runid, task } = await startTask(ctx, { claimed: round % 3 !== 0 });
      const [done] = await Promise.all([
        finish(runid, 'completed', { epoch: null, em: db.orm.em.fork() as Em }),
        cancelTask(contextOf(ctx.em, ctx.actor), task.uuid, null).catch((error: { code: string }) => expect(error.code).toBe('conflict')),
      ]);
      const row = await taskRow(db.em, task.uuid);
      expect(row.status).toBe(done[0]?.task_status ?? 'cancelled');
      expect(await heldAmounts(db.em)).toEqual(NOTHING_HELD);
    }
  });
});
