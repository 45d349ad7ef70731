import { cancelBulkAction } from '../../commands/cancel-bulk-action.ts';
import type { CommandContext } from '../../commands/context.ts';
import { createBulkAction } from '../../commands/create-bulk-action.ts';
import { workBulkActions } from '../../commands/work-bulk-actions.ts';
import { findBulkAction, listBulkItems } from '../../entities/bulk-action.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { BulkActionCreation } from '../../schemas/bulk-action.ts';
import type { TestDatabase } from '../support/database.ts';
import { admitAll, contextOf, countOf, makeQueue, makeTemplate, makeUser, startTask, submit, submitOne } from '../support/factories.ts';
import { rewriting } from '../support/statements.ts';
import { useWorld } from '../support/use-world.ts';

/** Lets so many statements pass and none after. */
function dyingAfter(left: number): (sql: string) => string {
  let passed = 0;
  return (sql) => {
    passed += 1;
    return passed > left ? 'this process is dead' : sql;
  };
}

describe('bulk actions', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld((world) => {
    ({ db, ctx } = world);
  });

  const fork = () => db.orm.em.fork() as Em;
  const create = async (creation: object, by = ctx): Promise<string> =>
    (await createBulkAction({ ...by, em: fork() }, BulkActionCreation.parse({ filter: {}, ...creation }))).id ?? '';
  const work = async (): Promise<number> => {
    for (let total = 0; ; ) {
      const settled = await workBulkActions(fork);
      if (settled === 0) return total;
      total += settled;
    }
  };
  const progress = async (id: string) => {
    const { status, total, waiting, done, failed, skipped } = (await findBulkAction(db.em, id, { user_id: null })) as NonNullable<
      Awaited<ReturnType<typeof findBulkAction>>
    >;
    return { status, total, waiting, done, failed, skipped };
  };
  const items = async (id: string) => (await listBulkItems(db.em, { id }, { limit: 200, cursor: null })).items;
  const complete = (total: number, failed = 0) => ({ status: 'completed', total, waiting: 0, done: total - failed, failed, skipped: 0 });

  it('do to each task what was asked, with one audit row for the whole and one for each', async () => {
    await makeQueue(db.em, 'r');
    await submit(ctx, {}, 5);
    const of = (action: string) => countOf(db.em, 'audit_log where action = $1', [action]);
    const steps = [
      [{ action: 'set_priority', args: { priority: 77 } }, 'tasks where priority = 77', 'task.change'],
      [{ action: 'move_queue', args: { queue: 'r' } }, `tasks where queue = 'r' and status = 'queued'`, 'task.change'],
      [{ action: 'hold' }, `tasks where pending_reason = 'hold'`, 'task.hold'],
      [{ action: 'release' }, `tasks where status = 'queued' and held_at is null`, 'task.release'],
      [{ action: 'cancel', args: { reason: 'gone' } }, `tasks where status = 'cancelled' and status_reason = 'gone'`, 'task.cancel'],
      [{ action: 'retry' }, `tasks where status = 'queued'`, 'task.retry'],
    ] as const;
    for (const [creation, found, audit] of steps) {
      const before = await of(audit);
      const id = await create(creation);
      expect([await progress(id), await work()]).toMatchObject([{ status: 'running', total: 5, waiting: 5 }, 5]);
      expect([await progress(id), await countOf(db.em, found), await of(audit)]).toEqual([complete(5), 5, before + 5]);
    }
    expect(await of('bulk_action.create')).toBe(6);
  });

  it('touch what the filter finds at that moment, and only count when asked to', async () => {
    await makeTemplate(db.em, 'other');
    await submit(ctx, { tags: { team: 'x' } }, 3);
    await submit(ctx, { template: 'other', tags: { team: 'x', more: 'y' } }, 2);
    const filter = { tags: { team: 'x' }, template: 't', status: ['queued', 'pending'] };
    const counted = await createBulkAction(ctx, BulkActionCreation.parse({ action: 'cancel', filter, dry_run: true }));
    expect([counted, await countOf(db.em, 'bulk_actions')]).toEqual([{ id: null, total: 3 }, 0]);
    const id = await create({ action: 'cancel', filter });
    await submit(ctx, { tags: { team: 'x' } }, 4);
    expect([await work(), await countOf(db.em, `tasks where status = 'cancelled'`)]).toEqual([3, 3]);
    expect(await progress(id)).toEqual(complete(3));
    expect(await progress(await create({ action: 'hold', filter: { queue: 'nowhere' } }))).toEqual(complete(0));
  });

  it('say for each task why it could not be done, and go on', async () => {
    const tasks = await submit(ctx, {}, 3);
    await query(db.em, `update tasks set status = 'cancelled', completed_at = now() where uuid = $1`, [tasks[1]?.uuid]);
    await query(
      db.em,
      `insert into task_history (task_id, subject, from_status, to_status, actor) values ($1, 'task', 'queued', 'cancelled', 'test')`,
      [tasks[1]?.uuid],
    );
    const id = await create({ action: 'hold' });
    await work();
    expect(await progress(id)).toEqual(complete(3, 1));
    expect(await items(id)).toMatchObject([
      { task: tasks[0]?.uuid, status: 'done', code: null },
      { task: tasks[1]?.uuid, status: 'failed', code: 'conflict', detail: expect.stringContaining('cancelled already') },
      { task: tasks[2]?.uuid, status: 'done' },
    ]);
    expect(await countOf(db.em, `tasks where held_at is not null`)).toBe(2);
  });

  it('are done by the owner’s rights at the time, on tasks that the owner may change', async () => {
    const eve = contextOf(db.em, await makeUser(db.em, 'eve'));
    await submit(ctx, {}, 2);
    await submitOne(eve);
    const mine = await create({ action: 'cancel' }, eve);
    expect((await progress(mine)).total).toBe(1);
    await expect(create({ action: 'cancel', filter: { user: 'ada' } }, eve)).rejects.toMatchObject({ code: 'forbidden' });
    const all = await create({ action: 'hold' }, contextOf(db.em, await makeUser(db.em, 'olga', { role: 'operator' })));
    await query(db.em, `update users set role = 'user' where username = 'olga'`);
    await query(db.em, `update users set is_active = false where username = 'eve'`);
    await work();
    expect(await items(mine)).toMatchObject([{ status: 'failed', code: 'forbidden' }]);
    expect([await progress(all), await countOf(db.em, 'tasks where held_at is not null')]).toEqual([complete(3, 3), 0]);
  });

  it('are refused for a queue that is not there', async () => {
    await expect(create({ action: 'move_queue', args: { queue: 'nowhere' } })).rejects.toMatchObject({
      errors: [{ pointer: '/args/queue' }],
    });
    expect(await countOf(db.em, 'bulk_actions')).toBe(0);
  });

  it('do each task once when several dispatchers share the work', async () => {
    await submit(ctx, {}, 120);
    const id = await create({ action: 'cancel' });
    const settled = await Promise.all([work(), work(), work(), work()]);
    expect(settled.reduce((sum, n) => sum + n, 0)).toBe(120);
    await work();
    expect(await progress(id)).toEqual(complete(120));
    expect(await countOf(db.em, `audit_log where action = 'task.cancel'`)).toBe(120);
  });

  it('leave alone what they have not come to when they are cancelled, also in the middle', async () => {
    await submit(ctx, {}, 200);
    const id = await create({ action: 'cancel' });
    const working = [workBulkActions(fork, 100), workBulkActions(fork, 100)];
    await workBulkActions(fork, 10);
    await Promise.all([cancelBulkAction({ ...ctx, em: fork() }, id), ...working]);
    await cancelBulkAction(ctx, id);
    expect(await work()).toBe(0);
    const { status, done, skipped } = await progress(id);
    expect([status, done + skipped, skipped > 0]).toEqual(['cancelled', 200, true]);
    expect(await countOf(db.em, `tasks where status = 'cancelled'`)).toBe(done);
    expect(await countOf(db.em, `audit_log where action = 'bulk_action.cancel'`)).toBe(1);
  });

  it('can be cancelled by their owner only, and not when complete', async () => {
    const id = await create({ action: 'hold' });
    const eve = contextOf(db.em, await makeUser(db.em, 'eve'));
    await expect(cancelBulkAction(eve, id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(cancelBulkAction(ctx, id)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('survive the death of whoever works on them, at every statement', async () => {
    await submit(ctx, {}, 4);
    const { runid } = await startTask(ctx);
    const id = await create({ action: 'cancel' });
    for (let fatal = 1; (await progress(id)).status === 'running' && fatal < 400; fatal += 1) {
      const death = dyingAfter(fatal % 40);
      await workBulkActions(() => rewriting(fork(), death)).catch(() => undefined);
    }
    await work();
    expect(await progress(id)).toEqual(complete(5));
    expect(await countOf(db.em, `audit_log where action = 'task.cancel'`)).toBe(5);
    expect(await countOf(db.em, 'instances where runid = $1 and cancel_requested_at is not null', [runid])).toBe(1);
    expect(await admitAll(db.em)).toBe(0);
  });
});
