import { createHash } from 'node:crypto';
import type { CommandContext } from '../../commands/context.ts';
import type { Submission } from '../../commands/item-keys.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { query } from '../../entities/sql.ts';
import type { TaskSubmission } from '../../schemas/task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, countOf, emptyDatabase, makeTemplate, makeUser, makeWorld, submission, testEngines } from '../support/factories.ts';

const hash = (body: unknown): string => createHash('sha256').update(JSON.stringify(body)).digest('hex');

/** A request with the header Idempotency-Key. */
const keyed = (key: string, items: TaskSubmission[]): Submission => ({ items, idempotency: { key, request_hash: hash(items) } });
const send = (ctx: CommandContext, request: Submission) => submitTasks(contextOf(ctx.em, ctx.actor), request, testEngines);
const own = (key: string, item: Partial<TaskSubmission> = {}): TaskSubmission => submission({ ...item, idempotency_key: key });
const batch = (items: TaskSubmission[]): Submission => ({ items, idempotency: null });
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

describe('submitting with an Idempotency-Key', () => {
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

  it('makes one task of 50 parallel requests, and gives all of them the same answer', async () => {
    const request = keyed('once', [submission({ name: 'first', tags: { env: 'test' } })]);
    const answers = await Promise.all(times(50, () => send(ctx, request)));
    expect(await countOf(db.em, 'tasks')).toBe(1);
    expect(new Set(answers.map((a) => JSON.stringify(a.tasks))).size).toBe(1);
    expect(answers.filter((a) => !a.replayed)).toHaveLength(1);
    expect(await countOf(db.em, 'task_history')).toBe(1);
    expect(await countOf(db.em, 'audit_log')).toBe(1);
  });

  it('answers to the letter what it answered first, also when the task has moved on', async () => {
    for (const i of times(20, (n) => n)) {
      const request = keyed(`key-${i}`, [submission({ priority: 7 }), submission({ not_before: '2100-01-01T00:00:00Z' })]);
      const first = await send(ctx, request);
      await query(db.em, `update tasks set status = 'cancelled', pending_reason = null, completed_at = now() where status = 'queued'`);
      expect((await send(ctx, request)).tasks).toEqual(first.tasks);
    }
  });

  it('shows in the answer what the row holds', async () => {
    const { tasks } = await send(ctx, keyed('row', [submission()]));
    const rows = await query<{ uuid: string; status: string; created_at: string }>(db.em, 'select uuid, status, created_at from tasks');
    const stored = rows.map((row) => ({ ...row, created_at: new Date(row.created_at).toISOString() }));
    expect(tasks.map(({ uuid, status, created_at }) => ({ uuid, status, created_at }))).toEqual(stored);
  });

  it('refuses the key with another body and changes nothing', async () => {
    await send(ctx, keyed('taken', [submission({ priority: 1 })]));
    const other = send(ctx, keyed('taken', [submission({ priority: 2 })]));
    await expect(other).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringContaining('"taken"') });
    expect(await countOf(db.em, 'tasks')).toBe(1);
  });

  it('keeps the keys of different users apart', async () => {
    const bob = contextOf(db.em, await makeUser(db.em, 'bob'));
    const answers = await Promise.all([ctx, bob].map((who) => send(who, keyed('same', [submission()]))));
    expect(answers.map((a) => a.replayed)).toEqual([false, false]);
    expect(await countOf(db.em, 'tasks')).toBe(2);
  });

  it('leaves the key free when the request was bad', async () => {
    await expect(send(ctx, keyed('free', [submission({ template: 'none' })]))).rejects.toMatchObject({ code: 'invalid_input' });
    expect((await send(ctx, keyed('free', [submission()]))).replayed).toBe(false);
  });

  it('makes 2,000 tasks of 2,000 requests sent by 32 clients, each twice', async () => {
    const requests = times(2_000, (i) => keyed(`client-${i}`, [submission({ name: `task ${i}` })]));
    const work = requests.flatMap((request) => [request, request]);
    const answers = new Map<string, string[]>();
    const client = async () => {
      const mine = contextOf(ctx.em, ctx.actor);
      for (let request = work.shift(); request; request = work.shift()) {
        const { tasks } = await submitTasks(mine, request, testEngines);
        const key = request.idempotency?.key ?? '';
        answers.set(key, [...(answers.get(key) ?? []), JSON.stringify(tasks)]);
      }
    };
    await Promise.all(times(32, client));
    expect(await countOf(db.em, 'tasks')).toBe(2_000);
    expect(answers.size).toBe(2_000);
    for (const [one, two, ...more] of answers.values()) expect([two, more.length]).toEqual([one, 0]);
  });

  describe('per item of a batch', () => {
    it('submits only the items whose keys are new, in the order of the request', async () => {
      const first = await send(ctx, batch([own('a', { name: 'A' }), own('b', { name: 'B' })]));
      const second = await send(ctx, batch([own('c', { name: 'C' }), own('b', { name: 'B' }), own('d', { name: 'D' })]));
      expect(second.tasks.map((t) => t.name)).toEqual(['C', 'B', 'D']);
      expect(second.tasks[1]).toEqual(first.tasks[1]);
      expect(second.replayed).toBe(false);
      expect(await countOf(db.em, 'tasks')).toBe(4);
      expect((await send(ctx, batch([own('d', { name: 'D' }), own('a', { name: 'A' })]))).replayed).toBe(true);
    });

    it('takes items without a key anew each time', async () => {
      const request = batch([own('a'), submission()]);
      await send(ctx, request);
      await send(ctx, request);
      expect(await countOf(db.em, 'tasks')).toBe(3);
    });

    it('refuses a key twice in one batch, and keys beside the header’s', async () => {
      await expect(send(ctx, batch([own('a'), own('a')]))).rejects.toMatchObject({
        code: 'invalid_input',
        errors: [{ pointer: '/1/idempotency_key' }],
      });
      await expect(send(ctx, keyed('header', [own('a')]))).rejects.toMatchObject({ errors: [{ pointer: '/0/idempotency_key' }] });
      expect(await countOf(db.em, 'tasks')).toBe(0);
    });

    it('refuses the whole batch when one key was used with another item', async () => {
      await send(ctx, batch([own('a', { priority: 1 })]));
      await expect(send(ctx, batch([own('z'), own('a', { priority: 2 })]))).rejects.toMatchObject({ code: 'invalid_input' });
      expect(await countOf(db.em, 'tasks')).toBe(1);
    });

    it('makes one task a key when overlapping batches with their keys in any order meet', async () => {
      const keys = times(20, (i) => `k${String(i).padStart(2, '0')}`);
      const turned = (i: number) => (i % 2 === 0 ? keys : keys.toReversed());
      for (const round of [1, 2, 3, 4]) {
        const named = (i: number) => turned(i).map((key) => own(`${round}-${key}`, { name: key }));
        const answers = await Promise.all(times(8, (i) => send(ctx, batch(named(i)))));
        expect(await countOf(db.em, 'tasks')).toBe(20 * round);
        for (const answer of answers) expect(answer.tasks.map((t) => t.name).sort()).toEqual(keys);
      }
    });
  });

  describe('when the task costs quota', () => {
    const used = async () =>
      (await query<{ used_quota: number }>(db.em, `select used_quota from users where username = 'carl'`))[0]?.used_quota;
    let carl: CommandContext;
    beforeEach(async () => {
      await makeTemplate(db.em, 'video', { quota_cost: 3 });
      carl = contextOf(db.em, await makeUser(db.em, 'carl', { quota: 10 }));
    });

    it('charges once for 20 parallel requests with one key', async () => {
      await Promise.all(times(20, () => send(carl, keyed('paid', [submission({ template: 'video' })]))));
      expect([await countOf(db.em, 'tasks'), await used()]).toEqual([1, 3]);
    });

    it('never sells more than there is, however many ask at once', async () => {
      const answers = await Promise.allSettled(times(12, (i) => send(carl, keyed(`p${i}`, [submission({ template: 'video' })]))));
      const refused = answers.filter((a) => a.status === 'rejected');
      expect(refused).toHaveLength(9);
      for (const { reason } of refused) expect(reason).toMatchObject({ code: 'quota_exceeded' });
      expect([await countOf(db.em, 'tasks'), await used(), await countOf(db.em, 'idempotency_keys')]).toEqual([3, 9, 3]);
    });

    it('charges a batch as a whole or not at all', async () => {
      const four = batch(times(4, (i) => own(`i${i}`, { template: 'video' })));
      await expect(send(carl, four)).rejects.toMatchObject({ code: 'quota_exceeded' });
      expect([await countOf(db.em, 'tasks'), await used(), await countOf(db.em, 'idempotency_keys')]).toEqual([0, 0, 0]);
      await send(carl, batch(four.items.slice(0, 3)));
      expect(await used()).toBe(9);
    });

    it('charges only the items of a batch that are new', async () => {
      await send(carl, batch([own('a', { template: 'video' })]));
      await send(carl, batch([own('a', { template: 'video' }), own('b', { template: 'video' })]));
      expect(await used()).toBe(6);
    });
  });
});
