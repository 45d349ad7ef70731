import type { CommandContext } from '../../commands/context.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { query } from '../../entities/sql.ts';
import { Task, type TaskSubmission } from '../../schemas/task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  countOf,
  emptyDatabase,
  makePool,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorld,
  submission,
  submit,
  submitOne,
  testEngines,
} from '../support/factories.ts';

const SCHEMA = {
  type: 'object',
  properties: { n: { type: 'integer', minimum: 1 }, text: { type: 'string', maxLength: 3 } },
  required: ['n'],
  additionalProperties: false,
};

describe('submitting tasks', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em);
  });

  const sql = async (text: string, parameters: unknown[] = []) => await query(db.em, text, parameters);
  const send = (items: TaskSubmission[], who = ctx) => submitTasks(who, { items, idempotency: null }, testEngines);

  /** Refused with these words, and nothing is left of the whole request. */
  async function expectRefused(items: TaskSubmission[], expected: object, who = ctx): Promise<void> {
    const before = await countOf(db.em, 'tasks');
    await expect(send(items, who)).rejects.toMatchObject(expected);
    expect(await countOf(db.em, 'tasks')).toBe(before);
    expect(await countOf(db.em, 'audit_log')).toBe(before);
  }

  it('takes what is left out from the template’s current version', async () => {
    await makeTemplate(db.em, 'full', { cpu: 0.125, memory_mb: 64, parameters: { n: 1, text: 'a' }, retry: { max_attempts: 7 } });
    await sql(`insert into template_versions (template, version, schema, parameters, queue, priority, timeout, cpu, memory_mb, retry_policy)
      select template, 2, schema, parameters, queue, 77, 88, 0.25, 65, retry_policy from template_versions where template = 'full'`);
    expect(await submitOne(ctx, { template: 'full' })).toMatchObject({ template_version: 1, priority: 50, timeout: 3600, cpu: 0.125 });
    await sql(`update templates set current_version = 2 where name = 'full'`);
    const task = await submitOne(ctx, { template: 'full', parameters: { text: 'b' } });
    expect(task).toMatchObject({
      name: 'full',
      type: 'empty',
      template_version: 2,
      priority: 77,
      timeout: 88,
      cpu: 0.25,
      memory_mb: 65,
      parameters: { n: 1, text: 'b' },
      queue: 'q',
      user: 'ada',
      status: 'queued',
    });
    expect(Task.parse(task)).toEqual(task);
  });

  it('orders by eligible time minus priority times step', async () => {
    await sql('update queues set step_s = 10');
    await submitOne(ctx, { priority: 70 });
    await submitOne(ctx, { priority: 70, not_before: '2100-01-01T00:00:00Z' });
    expect(await countOf(db.em, `tasks where vtime = eligible_at - interval '700 seconds'`)).toBe(2);
    expect(await countOf(db.em, `tasks where eligible_at = not_before and status = 'pending' and pending_reason = 'not_before'`)).toBe(1);
  });

  it('does not let a start time in the past make a task older than it is', async () => {
    const task = await submitOne(ctx, { not_before: '2001-01-01T00:00:00Z' });
    expect(task).toMatchObject({ status: 'queued', pending_reason: null });
    expect(await countOf(db.em, 'tasks where eligible_at >= created_at')).toBe(1);
  });

  it('refuses a template that is not there, and a queue that is not there', async () => {
    await expectRefused([submission({ template: 'none' })], { code: 'invalid_input', errors: [{ pointer: '/0/template' }] });
    await expectRefused([submission({ queue: 'none' })], { code: 'invalid_input', errors: [{ pointer: '/0/queue' }] });
  });

  it('points at every bad parameter of every item', async () => {
    await makeTemplate(db.em, 'strict', { schema: SCHEMA });
    const items = [
      submission({ template: 'strict', parameters: { n: 1 } }),
      submission({ template: 'strict', parameters: { n: 0, text: 'long' } }),
      submission({ template: 'strict', parameters: { 'a/b': 1 } }),
    ];
    await expectRefused(items, {
      code: 'invalid_input',
      errors: expect.arrayContaining(
        ['/1/parameters/n', '/1/parameters/text', '/2/parameters/n', '/2/parameters/a~1b'].map((pointer) =>
          expect.objectContaining({ pointer }),
        ),
      ),
    });
  });

  it('asks the engine what it takes when the template’s own schema is content', async () => {
    await expectRefused([submission({ parameters: { n: 'one' } })], { code: 'invalid_input', errors: [{ pointer: '/0/parameters/n' }] });
    await expectRefused([submission({ parameters: { a: 1, 'b/c': 2 } as never })], {
      errors: [{ pointer: '/0/parameters/a' }, { pointer: '/0/parameters/b~1c' }],
    });
  });

  it('checks defaults and what was sent together', async () => {
    await makeTemplate(db.em, 'strict', { schema: SCHEMA, parameters: { n: 5 } });
    expect((await submitOne(ctx, { template: 'strict' })).parameters).toEqual({ n: 5 });
    await expectRefused([submission({ template: 'strict', parameters: { n: null } })], { errors: [{ pointer: '/0/parameters/n' }] });
  });

  it('refuses all of a batch for one bad item', async () => {
    await expectRefused([...Array.from({ length: 20 }, () => submission()), submission({ template: 'none' })], {
      errors: [{ pointer: '/20/template' }],
    });
  });

  it('takes 1,000 items at once, in their order', async () => {
    const items = Array.from({ length: 1000 }, (_, i) => submission({ name: `n${i}` }));
    const { tasks } = await send(items);
    expect(tasks.map((t) => t.name)).toEqual(items.map((i) => i.name));
    expect(await countOf(db.em, 'tasks')).toBe(1000);
    expect(await countOf(db.em, `audit_log where action = 'task.submit'`)).toBe(1000);
  });

  it.each([
    ['queues', 'queue "q"'],
    ['pools', 'pool "p"'],
  ])('refuses new tasks while the %s drain, and takes them on hold', async (table, name) => {
    await sql(`update ${table} set status = 'drain'`);
    await expectRefused([submission()], { code: 'conflict', message: expect.stringContaining(name), errors: [{ pointer: '/0/queue' }] });
    await sql(`update ${table} set status = 'hold'`);
    expect((await submitOne(ctx)).status).toBe('queued');
  });

  it('refuses what is larger than its pool, in cores or in memory', async () => {
    await makePool(db.em, 'small', { cpu: 2, memory_mb: 100 });
    await makeQueue(db.em, 'qs', { pool: 'small' });
    await makeTemplate(db.em, 'wide', { queue: 'qs', cpu: 2.001, memory_mb: 1 });
    await makeTemplate(db.em, 'deep', { queue: 'qs', cpu: 1, memory_mb: 101 });
    await makeTemplate(db.em, 'exact', { queue: 'qs', cpu: 2, memory_mb: 100 });
    for (const template of ['wide', 'deep']) await expectRefused([submission({ template })], { code: 'unsatisfiable' });
    expect((await submitOne(ctx, { template: 'exact' })).status).toBe('queued');
    expect((await submitOne(ctx, { template: 'wide', queue: 'q' })).queue).toBe('q');
  });

  it('lets no more tasks wait than max_depth, and more when some have gone', async () => {
    await sql('update queues set max_depth = 3');
    await submit(ctx, {}, 2);
    await expectRefused([submission(), submission()], { code: 'too_many', message: expect.stringContaining('max_depth of 3') });
    await submitOne(ctx);
    await expectRefused([submission()], { code: 'too_many' });
    await sql(`update tasks set status = 'cancelled', completed_at = now()`);
    await submit(ctx, {}, 3);
  });

  it('refuses parameters that would make lists of tasks too large to answer', async () => {
    await makeTemplate(db.em, 'roomy', { parameters: { text: 'x'.repeat(262_144) } });
    await expectRefused([submission(), submission({ template: 'roomy' })], {
      code: 'invalid_input',
      errors: [{ pointer: '/1/parameters', detail: expect.stringContaining('262144 bytes') }],
    });
    await submitOne(ctx, { template: 'roomy', parameters: { text: 'x'.repeat(262_000) } });
  });

  it('runs shell only for those who may', async () => {
    await makeTemplate(db.em, 'script', { engine: 'shell' });
    await expectRefused([submission({ template: 'script' })], { code: 'forbidden', errors: [{ pointer: '/0/template' }] });
    const granted = contextOf(db.em, await makeUser(db.em, 'sam', { rights: ['shell'] }));
    const admin = contextOf(db.em, await makeUser(db.em, 'root', { role: 'admin' }));
    const operator = contextOf(db.em, await makeUser(db.em, 'olga', { role: 'operator' }));
    for (const who of [granted, admin]) expect((await submitOne(who, { template: 'script' })).type).toBe('shell');
    await expectRefused([submission({ template: 'script' })], { code: 'forbidden' }, operator);
  });

  it('refuses a template whose engine is not part of this installation', async () => {
    await makeTemplate(db.em, 'alien', { engine: 'alien' });
    await expectRefused([submission({ template: 'alien' })], { code: 'conflict', message: expect.stringContaining('alien') });
  });

  it('warns when no live worker offers the engine, and takes the task', async () => {
    await sql(`update workers set engines = '{other}'`);
    const { warnings, tasks } = await send([submission(), submission()]);
    expect([warnings.length, tasks.length]).toEqual([1, 2]);
    expect(warnings[0]).toContain('empty');
    await sql(`update workers set engines = '{empty}'`);
    expect((await send([submission()])).warnings).toEqual([]);
    await sql(`update workers set heartbeat_at = now() - interval '10 seconds'`);
    expect((await send([submission()])).warnings).toEqual([]);
    ctx = { ...ctx, lost_after_s: 5 };
    expect((await send([submission()])).warnings).toHaveLength(1);
  });
});
