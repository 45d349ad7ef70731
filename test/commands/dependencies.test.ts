import { uuidv7 } from 'uuidv7';
import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import { type Em, query } from '../../entities/sql.ts';
import { findTask, listDependencies } from '../../entities/task.queries.ts';
import { type Task, TaskSubmission } from '../../schemas/task.ts';
import type { TestDatabase } from '../support/database.ts';
import {
  admitAll,
  claim,
  contextOf,
  countOf,
  emptyDatabase,
  makeTemplate,
  makeUser,
  makeWorld,
  outcome,
  submitOne,
  taskRow,
  testEngines,
} from '../support/factories.ts';
import { useWorld } from '../support/use-world.ts';

const FUTURE = '2100-01-01T00:00:00Z';

describe('dependencies between tasks', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  useWorld((world) => {
    ({ db, ctx } = world);
  });

  const fork = () => db.orm.em.fork() as Em;
  const batch = async (items: object[], idempotency: { key: string; request_hash: string } | null = null): Promise<Task[]> => {
    const parsed = items.map((item) => TaskSubmission.parse({ template: 't', ...item }));
    return (await submitTasks({ ...ctx, em: fork() }, { items: parsed, idempotency }, testEngines)).tasks;
  };
  /** Runs the task, which must be queued, to this end. */
  const run = async (uuid: string, status: FinalInstanceStatus): Promise<void> => {
    await admitAll(db.em);
    const [instance] = await query<{ runid: string; worker: string }>(
      db.em,
      `select runid, worker from instances where task_id = $1 and status in ('starting', 'running')`,
      [uuid],
    );
    if (!instance) throw new Error(`task ${uuid} was not admitted`);
    await claim(db.em, instance);
    await finishInstances(db.em, [{ runid: instance.runid, lease_epoch: null, outcome: outcome(status) }], 'worker:w');
  };
  const statusOf = async (uuid: string) => {
    const { status, pending_reason, status_reason } = await taskRow(db.em, uuid);
    return [status, pending_reason ?? status_reason];
  };
  const behind = (task: string, condition: 'succeeded' | 'done' = 'succeeded') => ({ after: [{ task, condition }] });

  it('keep a task waiting until its upstream has completed, and queue it in the same transaction', async () => {
    const up = await submitOne(ctx);
    const down = await submitOne(ctx, behind(up.uuid));
    expect(down).toMatchObject({ status: 'pending', pending_reason: 'dependency', waits_for: 1, queued_at: null });
    expect(await findTask(db.em, down.uuid, { user_id: null })).toMatchObject({
      pending_reason: 'dependency',
      waits_for: 1,
      queued_at: null,
    });
    expect((await admit(db.em)).map((i) => i.task_id)).toEqual([up.uuid]);
    await run(up.uuid, 'completed');
    expect(await statusOf(down.uuid)).toEqual(['queued', null]);
    expect((await admit(db.em)).map((i) => i.task_id)).toEqual([down.uuid]);
    expect((await listDependencies(db.em, down.uuid, { limit: 9, cursor: null })).items).toEqual([
      { task: up.uuid, condition: 'succeeded', state: 'met', status: 'completed' },
    ]);
  });

  it.each([
    ['succeeded', 'completed', ['queued', null]],
    ['succeeded', 'failed', ['cancelled', 'dependency_failed']],
    ['succeeded', 'timed_out', ['cancelled', 'dependency_failed']],
    ['succeeded', 'cancelled', ['cancelled', 'dependency_failed']],
    ['done', 'completed', ['queued', null]],
    ['done', 'failed', ['queued', null]],
    ['done', 'cancelled', ['queued', null]],
  ] as const)('that demand %s of an upstream that is %s end as %j', async (condition, status, expected) => {
    const up = await submitOne(ctx);
    const down = await submitOne(ctx, behind(up.uuid, condition));
    await run(up.uuid, status);
    expect(await statusOf(down.uuid)).toEqual(expected);
  });

  it('are settled by cancelling an upstream that waits', async () => {
    const up = await submitOne(ctx, { not_before: FUTURE });
    const strict = await submitOne(ctx, behind(up.uuid));
    const lenient = await submitOne(ctx, behind(up.uuid, 'done'));
    await cancelTask(ctx, up.uuid, null);
    expect([await statusOf(strict.uuid), await statusOf(lenient.uuid)]).toEqual([
      ['cancelled', 'dependency_failed'],
      ['queued', null],
    ]);
  });

  it('wait for all upstreams, also when these end at the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      const ups = await Promise.all(Array.from({ length: 4 }, () => submitOne({ ...ctx, em: fork() })));
      const down = await submitOne(ctx, { after: ups.map(({ uuid }) => ({ task: uuid, condition: 'succeeded' })) });
      const admitted = await admit(db.em);
      expect(admitted).toHaveLength(4);
      const end = (runid: string) => finishInstances(fork(), [{ runid, lease_epoch: null, outcome: outcome('completed') }], 'worker:w');
      await end(admitted[0]?.runid ?? '');
      expect(await statusOf(down.uuid)).toEqual(['pending', 'dependency']);
      await Promise.all(admitted.slice(1).map(({ runid }) => end(runid)));
      expect(await statusOf(down.uuid)).toEqual(['queued', null]);
      await cancelTask(ctx, down.uuid, null);
    }
  });

  it('cancel transitively, give back quotas, and go no further than a `done`', async () => {
    await makeTemplate(db.em, 'costly', { quota_cost: 3 });
    const carl = contextOf(db.em, await makeUser(db.em, 'carl', { quota: 100 }));
    const [first, ...others] = (
      await submitTasks(
        carl,
        {
          items: [
            { ref: 'a' },
            { ref: 'b', after: [{ ref: 'a' }] },
            { ref: 'c', after: [{ ref: 'b' }] },
            { ref: 'd', after: [{ ref: 'c', condition: 'done' }] },
            { ref: 'e', after: [{ ref: 'd' }] },
            { ref: 'f', after: [{ ref: 'd' }, { ref: 'b' }] },
          ].map((item) => TaskSubmission.parse({ template: 'costly', ...item })),
          idempotency: null,
        },
        testEngines,
      )
    ).tasks;
    await run(first?.uuid ?? '', 'failed');
    expect(await Promise.all(others.map(({ uuid }) => statusOf(uuid)))).toEqual([
      ['cancelled', 'dependency_failed'],
      ['cancelled', 'dependency_failed'],
      ['queued', null],
      ['pending', 'dependency'],
      ['cancelled', 'dependency_failed'],
    ]);
    expect(await query(db.em, `select used_quota from users where username = 'carl'`)).toEqual([{ used_quota: 6 }]);
    expect(await countOf(db.em, `task_history where actor = 'dependencies'`)).toBe(4);
  });

  it('settle a chain of 300 in one go when its head fails, link by link when it completes', async () => {
    const chain = (await batch(
      Array.from({ length: 300 }, (_, i) => ({ ref: `${i}`, after: i === 0 ? [] : [{ ref: `${i - 1}` }] })),
    )) as Task[];
    await run(chain[0]?.uuid ?? '', 'completed');
    expect(await countOf(db.em, `tasks where status = 'queued'`)).toBe(1);
    await run(chain[1]?.uuid ?? '', 'failed');
    expect(await countOf(db.em, `tasks where status = 'cancelled' and status_reason = 'dependency_failed'`)).toBe(298);
  });

  describe('in a batch', () => {
    it('name items by ref, later ones too, and get ids upstream first', async () => {
      const [c, a, b] = await batch([{ ref: 'c', after: [{ ref: 'b' }, { ref: 'a' }] }, { ref: 'a' }, { ref: 'b', after: [{ ref: 'a' }] }]);
      expect([c?.waits_for, a?.waits_for, b?.waits_for]).toEqual([2, 0, 1]);
      expect([a?.uuid, b?.uuid, c?.uuid].toSorted()).toEqual([a?.uuid, b?.uuid, c?.uuid]);
    });

    it.each([
      [
        [
          { ref: 'a', after: [{ ref: 'b' }] },
          { ref: 'b', after: [{ ref: 'a' }] },
        ],
        ['/0/after', '/1/after'],
      ],
      [[{ ref: 'a', after: [{ ref: 'a' }] }], ['/0/after']],
      [[{ ref: 'a' }, { ref: 'a' }], ['/1/ref']],
      [[{}, { after: [{ ref: 'x' }] }], ['/1/after/0/ref']],
      [[{ ref: 'a' }, { after: [{ ref: 'a' }, { ref: 'a', condition: 'done' }] }], ['/1/after/1']],
    ])('are refused when they cannot be: %j', async (items, pointers) => {
      const refused = await batch(items).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'invalid_input', errors: pointers.map((pointer) => ({ pointer })) });
      expect(await countOf(db.em, 'tasks')).toBe(0);
    });

    it('give the same answer again under an idempotency key', async () => {
      const key = { key: 'k', request_hash: 'h' };
      const items = [{ ref: 'a' }, { ref: 'b', after: [{ ref: 'a' }] }];
      const first = await batch(items, key);
      expect(await batch(items, key)).toEqual(first);
      expect(first[1]).toMatchObject({ status: 'pending', pending_reason: 'dependency', waits_for: 1 });
      expect(await countOf(db.em, 'tasks')).toBe(2);
    });

    it('may name an item that an earlier request made', async () => {
      const [first] = await batch([{ ref: 'a', idempotency_key: 'one' }]);
      const [again, down] = await batch([{ ref: 'a', idempotency_key: 'one' }, { after: [{ ref: 'a' }] }]);
      expect(again?.uuid).toBe(first?.uuid);
      expect((await listDependencies(db.em, down?.uuid ?? '', { limit: 9, cursor: null })).items).toMatchObject([{ task: first?.uuid }]);
    });
  });

  it('on tasks that have ended are met at once, or refused when they cannot be', async () => {
    const [done, failed] = [await submitOne(ctx), await submitOne(ctx)];
    await run(done.uuid, 'completed');
    await run(failed.uuid, 'failed');
    expect(await submitOne(ctx, behind(done.uuid))).toMatchObject({ status: 'queued', waits_for: 0 });
    expect(await submitOne(ctx, behind(failed.uuid, 'done'))).toMatchObject({ status: 'queued' });
    await expect(submitOne(ctx, behind(failed.uuid))).rejects.toMatchObject({ code: 'conflict', errors: [{ pointer: '/0/after/0/task' }] });
  });

  it('on tasks of others, or on none, are refused alike; operators may name them', async () => {
    const eve = contextOf(db.em, await makeUser(db.em, 'eve'));
    const { uuid } = await submitOne(ctx);
    for (const task of [uuid, uuidv7()]) {
      await expect(submitOne(eve, behind(task))).rejects.toMatchObject({ code: 'invalid_input', message: `task ${task}: there is none` });
    }
    const olga = contextOf(db.em, await makeUser(db.em, 'olga', { role: 'operator' }));
    expect(await submitOne(olga, behind(uuid))).toMatchObject({ waits_for: 1 });
  });

  it('are made after an upstream whose id is ahead of our clock', async () => {
    const ahead = 'f1a1fda4-5d23-7931-99c7-1ca93ebca778';
    const { uuid } = await submitOne(ctx);
    await query(
      db.em,
      `insert into tasks (uuid, name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy)
       select $2, name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy from tasks where uuid = $1`,
      [uuid, ahead],
    );
    await query(db.em, `insert into audit_log (actor, action, subject_type, subject_id) values ('x', 'task.submit', 'task', $1)`, [ahead]);
    const [a, b] = await batch([{ ref: 'a', after: [{ task: ahead }] }, { after: [{ ref: 'a' }] }]);
    expect([b?.uuid, ahead, a?.uuid].toSorted()).toEqual([ahead, a?.uuid, b?.uuid]);
  });

  it('leave a task on hold or before its start time where it is, and start its clocks when they are met', async () => {
    const up = await submitOne(ctx);
    const held = await submitOne(ctx, { ...behind(up.uuid), total_timeout_s: 100, queue_timeout_s: 50 });
    const later = await submitOne(ctx, { ...behind(up.uuid), not_before: FUTURE });
    await holdTask(ctx, held.uuid);
    expect([await statusOf(held.uuid), held.due_at]).toEqual([['pending', 'hold'], null]);
    await run(up.uuid, 'completed');
    expect([await statusOf(held.uuid), await statusOf(later.uuid)]).toEqual([
      ['pending', 'hold'],
      ['pending', 'not_before'],
    ]);
    expect(await countOf(db.em, `tasks where uuid = $1 and due_at = eligible_at + interval '100 s'`, [held.uuid])).toBe(1);
    await releaseTask(ctx, held.uuid);
    expect(await statusOf(held.uuid)).toEqual(['queued', null]);
    expect(await countOf(db.em, `tasks where uuid = $1 and due_at = queued_at + interval '50 s'`, [held.uuid])).toBe(1);
    await query(db.em, `update tasks set not_before = now() where uuid = $1`, [later.uuid]);
    expect(await releaseDue(db.em)).toBe(1);
  });

  it('are not recalled by a retry of the upstream, and count no more for a dependent that is retried', async () => {
    const up = await submitOne(ctx);
    const met = await submitOne(ctx, behind(up.uuid, 'done'));
    const broken = await submitOne(ctx, behind(up.uuid));
    await run(up.uuid, 'failed');
    await retryTask(ctx, up.uuid);
    expect([await statusOf(met.uuid), await statusOf(broken.uuid)]).toEqual([
      ['queued', null],
      ['cancelled', 'dependency_failed'],
    ]);
    await retryTask(ctx, broken.uuid);
    expect(await statusOf(broken.uuid)).toEqual(['queued', null]);
  });

  it('still hold for a task that was cancelled and is retried while they are open', async () => {
    const up = await submitOne(ctx);
    const down = await submitOne(ctx, behind(up.uuid));
    await cancelTask(ctx, down.uuid, null);
    await retryTask(ctx, down.uuid);
    expect(await statusOf(down.uuid)).toEqual(['pending', 'dependency']);
    await run(up.uuid, 'completed');
    expect(await statusOf(down.uuid)).toEqual(['queued', null]);
  });

  it('are never missed by a submission that meets the end of its upstream', async () => {
    for (let round = 0; round < 20; round += 1) {
      const up = await submitOne(ctx);
      const [instance] = await admit(db.em);
      const [down] = await Promise.all([
        submitOne({ ...ctx, em: fork() }, behind(up.uuid, 'done')),
        finishInstances(fork(), [{ runid: instance?.runid ?? '', lease_epoch: null, outcome: outcome('failed') }], 'worker:w'),
      ]);
      expect(await statusOf(down.uuid)).toEqual(['queued', null]);
      await cancelTask(ctx, down.uuid, null);
    }
  });

  it('hold while ends, cancellations and holds cross', async () => {
    for (let round = 0; round < 10; round += 1) {
      const ups = await Promise.all([1, 2, 3].map(() => submitOne({ ...ctx, em: fork() })));
      const names = ups.map(({ uuid }) => ({ task: uuid, condition: 'succeeded' as const }));
      const downs = await batch([
        { ref: 'x', after: names },
        { ref: 'y', after: [{ ref: 'x' }, ...names.slice(1)] },
        { ref: 'z', after: [{ ref: 'y', condition: 'done' }, ...names.slice(0, 2)] },
      ]);
      const admitted = await admit(db.em);
      const ends = admitted.map(({ runid }, i) =>
        finishInstances(fork(), [{ runid, lease_epoch: null, outcome: outcome(i === round % 3 ? 'failed' : 'completed') }], 'worker:w'),
      );
      const others = [
        cancelTask({ ...ctx, em: fork() }, downs[0]?.uuid ?? '', null),
        holdTask({ ...ctx, em: fork() }, downs[2]?.uuid ?? '').catch(() => undefined),
        cancelTask({ ...ctx, em: fork() }, downs[1]?.uuid ?? '', null),
      ];
      await Promise.all([...ends, ...others]);
      expect(await countOf(db.em, `task_dependencies where state = 'open'`)).toBe(0);
      expect(await countOf(db.em, `tasks where waits_for > 0`)).toBe(0);
      await emptyDatabase(db.em);
      ctx = await makeWorld(db.em);
    }
  });
});
