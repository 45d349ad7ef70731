import type { CommandContext } from '../../commands/context.ts';
import type { Submission } from '../../commands/item-keys.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { makeSubmitting } from '../../commands/submitting.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { TaskSubmission } from '../../schemas/task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  countOf,
  emptyDatabase,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorld,
  submission,
  testEngines,
} from '../support/factories.ts';
import { rewriting } from '../support/statements.ts';

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

describe('requests of one process that come at the same time', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  let seen: string[];
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em);
    seen = [];
    const em = rewriting(db.em as Em, (sql) => {
      seen.push(sql);
      return sql;
    });
    ctx = { ...ctx, em, submitting: makeSubmitting(() => em.fork() as Em) };
  });

  const send = (who: CommandContext, item: Partial<TaskSubmission> = {}, idempotency: Submission['idempotency'] = null) =>
    submitTasks({ ...who, em: who.em.fork() as Em }, { items: [{ ...submission(), ...item }], idempotency }, testEngines);
  const inserts = () => seen.filter((sql) => sql.includes('insert into tasks')).length;

  it('are stored by few statements, each as its own user’s request', async () => {
    const bob = {
      ...contextOf(ctx.em, await makeUser(db.em, 'bob')),
      submitting: ctx.submitting as NonNullable<CommandContext['submitting']>,
    };
    await send(ctx);
    const answers = await Promise.all(
      times(40, (i) => send({ ...(i % 2 ? ctx : bob), request_id: `request ${i}` }, { name: `task ${i}`, priority: i })),
    );
    expect(inserts()).toBeLessThanOrEqual(5);
    expect(seen.filter((sql) => sql.includes('wanted_template'))).toHaveLength(1);
    const rows = await query<{ uuid: string; name: string; username: string; request_id: string; actor: string; priority: number }>(
      db.em,
      `select t.uuid, t.name, u.username, t.priority, a.request_id, a.actor from tasks t join users u on u.id = t.user_id
       join audit_log a on a.subject_id = t.uuid::text join task_history h on h.task_id = t.uuid and h.actor = a.actor`,
    );
    const byId = new Map(rows.map((row) => [row.uuid, row]));
    for (const [i, { tasks }] of answers.entries()) {
      const who = i % 2 ? 'ada' : 'bob';
      expect(tasks[0]).toMatchObject({ name: `task ${i}`, user: who, priority: i });
      expect(byId.get(tasks[0]?.uuid ?? '')).toMatchObject({
        name: `task ${i}`,
        username: who,
        actor: `user:${who}`,
        request_id: `request ${i}`,
        priority: i,
      });
    }
  });

  it('fail alone', async () => {
    await makeTemplate(db.em, 'dear', { quota_cost: 1 });
    const poor = {
      ...contextOf(ctx.em, await makeUser(db.em, 'poor', { quota: 0 })),
      submitting: ctx.submitting as NonNullable<CommandContext['submitting']>,
    };
    const sent = times(30, (i) => {
      if (i === 7) return send(ctx, { tags: { bad: 'a\u0000b' } });
      if (i === 11) return send(poor, { template: 'dear' });
      return send(ctx);
    });
    const settled = await Promise.allSettled(sent);
    expect(settled.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([7, 11]);
    expect((settled[11] as PromiseRejectedResult).reason).toMatchObject({ code: 'quota_exceeded' });
    expect(await countOf(db.em, 'tasks')).toBe(28);
    expect(await countOf(db.em, 'audit_log')).toBe(28);
  });

  it('make one task of one key', async () => {
    const key = { key: 'same', request_hash: 'h'.repeat(64) };
    const answers = await Promise.all(times(30, () => send(ctx, {}, key)));
    expect(await countOf(db.em, 'tasks')).toBe(1);
    expect(new Set(answers.map(({ tasks }) => JSON.stringify(tasks))).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  it('never rest on what a template, queue or pool was before', async () => {
    await send(ctx);
    await query(db.em, `update queues set step_s = 7 where name = 'q'`);
    const [stepped] = (await send(ctx, { priority: 10 })).tasks;
    expect(await countOf(db.em, "tasks where uuid = $1 and vtime = eligible_at - interval '70 s'", [stepped?.uuid])).toBe(1);
    await query(
      db.em,
      `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy)
       select template, 2, schema, parameters, queue, 0.25, 1, retry_policy from template_versions where template = 't'`,
    );
    await query(db.em, `update templates set current_version = 2 where name = 't'`);
    expect((await send(ctx)).tasks[0]).toMatchObject({ template_version: 2, cpu: 0.25 });
    await query(db.em, `update pools set total_cpu = 0.1 where name = 'p'`);
    await expect(send(ctx)).rejects.toMatchObject({ code: 'unsatisfiable' });
    await query(db.em, `update pools set total_cpu = 100 where name = 'p'`);
    await query(db.em, `update queues set status = 'drain' where name = 'q'`);
    await expect(send(ctx)).rejects.toMatchObject({ code: 'conflict' });
    expect(await countOf(db.em, 'tasks')).toBe(3);
  });

  it('look anew where the depth of the queue counts', async () => {
    await makeQueue(db.em, 'shallow', { max_depth: 2 });
    await send(ctx, { queue: 'shallow' });
    await send(ctx, { queue: 'shallow' });
    await expect(send(ctx, { queue: 'shallow' })).rejects.toMatchObject({ code: 'too_many' });
  });
});
