import fc from 'fast-check';
import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { changeTask } from '../../commands/change-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { dryRun } from '../../commands/dry-run.ts';
import { retryTask } from '../../commands/retry-task.ts';
import { PROMOTE_S, vtimeOf } from '../../core/order.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { emptyDatabase, makeWorld, submission, submitOne, testEngines } from '../support/factories.ts';

const DAY_MS = 86_400_000;

describe('a deadline', () => {
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

  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
  /** Seconds by which the place of a task lies before that of one without priority. */
  const lead = async (uuid: string): Promise<number> =>
    (await query<{ s: number }>(db.em, `select extract(epoch from eligible_at - vtime)::float8 as s from tasks where uuid = $1`, [uuid]))[0]
      ?.s ?? NaN;
  const first = async () => (await admit(db.em, { limit: 1 })).map((i) => i.task_id);

  it('brings a task forward as it comes near, and is shown', async () => {
    const early = await submitOne(ctx, { priority: 60 });
    const task = await submitOne(ctx, { timeout: 60, deadline: inMs(200_000) });
    expect(task.deadline).not.toBeNull();
    expect(await lead(early.uuid)).toBe(3_600);
    expect(await lead(task.uuid)).toBeCloseTo(6_000 + 60 + PROMOTE_S - 200, -1);
    expect(await first()).toEqual([task.uuid]);
  });

  it('changes nothing while it is far away', async () => {
    expect(await lead((await submitOne(ctx, { priority: 60, deadline: inMs(DAY_MS) })).uuid)).toBe(3_600);
  });

  it('is worth at most the highest priority, also when it is over', async () => {
    const over = await submitOne(ctx, { deadline: inMs(-DAY_MS) });
    const highest = await submitOne(ctx, { priority: 100 });
    expect([await lead(over.uuid), await lead(highest.uuid)]).toEqual([6_000, 6_000]);
  });

  it('counts from what the template’s tasks took, once that is known', async () => {
    const deadline = inMs(1_000_000);
    const unknown = await submitOne(ctx, { deadline, timeout: 3_000 });
    await query(db.em, `insert into template_runtimes (template, p50_s, p90_s, samples) values ('t', 1, 10, 100)`);
    const known = await submitOne(ctx, { deadline, timeout: 3_000 });
    expect([await lead(unknown.uuid), await lead(known.uuid)].map((s) => Math.round(s / 100) * 100)).toEqual([6_000, 5_100]);
  });

  it('can be set, moved and taken away, also while it runs, and stays for a retry', async () => {
    const { uuid } = await submitOne(ctx, { priority: 10 });
    await changeTask(ctx, uuid, { deadline: inMs(0) });
    expect(await lead(uuid)).toBe(6_000);
    await admit(db.em);
    await changeTask(ctx, uuid, { deadline: null });
    await cancelTask(ctx, uuid, null);
    await retryTask(ctx, uuid);
    expect(await lead(uuid)).toBe(600);
    await changeTask(ctx, uuid, { deadline: inMs(0) });
    await cancelTask(ctx, uuid, null);
    await retryTask(ctx, uuid);
    expect(await lead(uuid)).toBe(6_000);
  });

  it('counts for what waited for others from when it may start, and in a dry run', async () => {
    const upstream = await submitOne(ctx);
    const waiting = await submitOne(ctx, { deadline: inMs(-1), after: [{ task: upstream.uuid, condition: 'done' }] });
    await cancelTask(ctx, upstream.uuid, null);
    expect(await lead(waiting.uuid)).toBe(6_000);
    await submitOne(ctx, { priority: 90 });
    const [prospect] = await dryRun(ctx, [submission({ deadline: inMs(0) })], { engines: testEngines, lost_after_s: 60 });
    expect(prospect?.position).toBe(2);
  });

  it('is reckoned by the database as by the core', async () => {
    const cases = fc.sample(
      fc.record({
        eligible_at: fc.integer({ min: 0, max: 10_000_000 }),
        priority: fc.integer({ min: 0, max: 100 }),
        step_s: fc.constantFrom(0, 1, 60, 3_600),
        deadline: fc.option(fc.integer({ min: -10_000_000, max: 30_000_000 })),
        expected_s: fc.integer({ min: 1, max: 5_000 }),
      }),
      { numRuns: 500, seed: 3 },
    );
    const column = (name: keyof (typeof cases)[number]) => cases.map((each) => each[name]);
    const rows = await query<{ vtime: number }>(
      db.em,
      `select extract(epoch from task_vtime(to_timestamp(e / 1000.0), p, s, to_timestamp(d / 1000.0), x, 'none'))::float8 * 1000 as vtime
       from unnest($1::float8[], $2::int4[], $3::int4[], $4::float8[], $5::int4[]) with ordinality as c(e, p, s, d, x, n) order by n`,
      [column('eligible_at'), column('priority'), column('step_s'), column('deadline'), column('expected_s')],
    );
    rows.forEach(({ vtime }, n) => {
      expect(vtime).toBeCloseTo(vtimeOf(cases[n] as (typeof cases)[number]), 3);
    });
  });
});

describe('the order key', () => {
  const tasks = fc.record({
    eligible_at: fc.integer({ min: 0, max: 1e7 }),
    priority: fc.integer({ min: 0, max: 100 }),
    step_s: fc.constant(60),
  });

  it('never lets a deadline make a task later than without it, nor sooner than the highest priority', () => {
    fc.assert(
      fc.property(tasks, fc.integer({ min: -1e8, max: 1e8 }), fc.integer({ min: 0, max: 1e4 }), (task, deadline, expected_s) => {
        const vtime = vtimeOf({ ...task, deadline, expected_s });
        expect(vtime).toBeLessThanOrEqual(vtimeOf({ ...task, deadline: null, expected_s }));
        expect(vtime).toBeGreaterThanOrEqual(vtimeOf({ ...task, priority: 100, deadline: null, expected_s }));
      }),
    );
  });

  it('lets a task precede every newcomer from its last moment, less the margin, on', () => {
    fc.assert(
      fc.property(tasks, fc.integer({ min: 0, max: 5e7 }), fc.integer({ min: 0, max: 1e4 }), (task, deadline, expected_s) => {
        const vtime = vtimeOf({ ...task, deadline, expected_s });
        const promoted_at = Math.max(task.eligible_at, deadline - (expected_s + PROMOTE_S) * 1000);
        const newcomer = vtimeOf({ ...task, eligible_at: promoted_at, priority: 100, deadline: null, expected_s: 0 });
        expect(vtime).toBeLessThanOrEqual(newcomer);
      }),
    );
  });
});
