import { advanceBackfill } from '../../commands/advance-backfill.ts';
import { cancelBackfill } from '../../commands/cancel-backfill.ts';
import type { CommandContext } from '../../commands/context.ts';
import { createBackfill } from '../../commands/create-backfill.ts';
import { type Em, query } from '../../entities/sql.ts';
import { BackfillCreation } from '../../schemas/schedule.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf, emptyDatabase, makeWorld, testEngines } from '../support/factories.ts';
import { endTasks, fireAt, ledgerOf, makeSchedule, outcomesOf } from '../support/schedules.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
let id: string;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
afterAll(() => db.drop());

/** A schedule of each hour with a ledger of five: 01 and 02 skipped, 03 ran, 04 skipped because of 03, 05 not submitted. */
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
  id = await makeSchedule(ctx, '2026-06-01T00:30:00Z', { catchup: 'last' });
  await fireAt(em, id, '2026-06-01T03:10:00Z');
  await fireAt(em, id, '2026-06-01T04:00:00Z');
  await endTasks(em);
  await query(em, `update queues set status = 'drain'`);
  await fireAt(em, id, '2026-06-01T05:00:00Z');
  await query(em, `update queues set status = 'active'`);
});

const range = (more: object = {}) =>
  BackfillCreation.parse({ from: '2026-05-31T23:00:00Z', until: '2026-06-01T05:00:00Z', max_active: 3, ...more });
const backfill = async (more: object = {}) => (await createBackfill(ctx, id, range(more))).backfill as { id: string };
const turn = async (backfill_id: string) => await advanceBackfill(em.fork() as Em, { id: backfill_id, schedule_id: id }, testEngines);
const stateOf = async (backfill_id: string) =>
  (await query(em, 'select status, submitted, failed, total from backfills where id = $1', [backfill_id]))[0];

const BEFORE = [
  '06-01 01:00 skipped_catchup',
  '06-01 02:00 skipped_catchup',
  '06-01 03:00 ran',
  '06-01 04:00 skipped_overlap',
  '06-01 05:00 failed_submit',
];

test('a dry run counts what has not run and changes nothing', async () => {
  expect(await outcomesOf(em, id)).toEqual(BEFORE);
  const answer = await createBackfill(ctx, id, range({ dry_run: true }));
  expect(answer).toMatchObject({ dry_run: true, total: 6, already: 1, backfill: null });
  expect(answer.fires.map(({ nominal_at }) => nominal_at.slice(5, 13))).toEqual([
    '05-31T23',
    '06-01T00',
    '06-01T01',
    '06-01T02',
    '06-01T04',
    '06-01T05',
  ]);
  expect(await outcomesOf(em, id)).toEqual(BEFORE);
  expect(await countOf(em, 'backfills')).toBe(0);
});

test('runs what did not run, oldest first, so many at a time, and never touches the live cursor', async () => {
  const cursor = async () => (await query(em, 'select cursor_at::text as c, next_at::text as n, runs from schedules'))[0];
  const before = await cursor();
  const { id: b } = await backfill();
  expect(await turn(b)).toBe(3);
  expect(await turn(b)).toBe(0);
  expect(await stateOf(b)).toEqual({ status: 'running', submitted: 3, failed: 0, total: 6 });
  await endTasks(em);
  expect(await turn(b)).toBe(3);
  await endTasks(em);
  expect(await turn(b)).toBe(0);
  expect(await stateOf(b)).toEqual({ status: 'completed', submitted: 6, failed: 0, total: 6 });
  expect(await cursor()).toEqual(before);
  const rows = await ledgerOf(em, id);
  expect(rows.map(({ at, outcome }) => `${at} ${outcome}`)).toEqual([
    '05-31 23:00 ran',
    '06-01 00:00 ran',
    ...BEFORE.map((line) => `${line.slice(0, 11)} ran`),
  ]);
  expect(rows.filter((row) => row.backfill === null).map(({ at }) => at)).toEqual(['06-01 03:00']);
  expect(rows.find(({ at }) => at === '06-01 04:00')?.note).toBe('was skipped_overlap');
  const tasks = await query<{ at: string }>(
    em,
    `select o.nominal_at::text as at from occurrences o join tasks t on t.uuid = o.task_id where o.backfill_id is not null order by t.uuid`,
  );
  expect(tasks.map(({ at }) => at)).toEqual(tasks.map(({ at }) => at).toSorted());
});

test('does not run a fire again that ran already, also when two backfills are at it', async () => {
  const both = [await backfill(), await backfill()];
  const running = async () => await countOf(em, `backfills where status = 'running'`);
  for (let turns = 0; turns < 50 && (await running()) > 0; turns += 1) {
    await Promise.all((turns % 2 === 0 ? both : both.toReversed()).map(({ id: b }) => turn(b)));
    await endTasks(em);
  }
  expect((await outcomesOf(em, id)).length).toBe(7);
  expect(await countOf(em, 'tasks')).toBe(1 + 6);
  for (const { id: b } of both) expect(await stateOf(b)).toMatchObject({ status: 'completed' });
});

test('never takes more than a quarter of its queue, but one place at least', async () => {
  await query(em, 'update queues set capacity = 8');
  const { id: b } = await backfill({ max_active: 100 });
  expect(await turn(b)).toBe(2);
  await query(em, 'update queues set capacity = 1');
  await endTasks(em);
  expect(await turn(b)).toBe(1);
});

test('does not count among the tasks of the schedule, nor the other way round', async () => {
  const { id: b } = await backfill();
  await turn(b);
  await fireAt(em, id, '2026-06-01T06:00:00Z');
  expect((await outcomesOf(em, id)).at(-1)).toBe('06-01 06:00 ran');
  expect(await stateOf(b)).toMatchObject({ submitted: 3 });
});

test('is cancelled as a unit', async () => {
  const { id: b } = await backfill();
  await turn(b);
  expect(await cancelBackfill(ctx, { schedule_id: id, id: b, cancel_tasks: true })).toMatchObject({
    status: 'cancelled',
    active: 0,
    submitted: 3,
  });
  expect(await turn(b)).toBe(0);
  expect(await countOf(em, `tasks where status = 'cancelled'`)).toBe(1 + 3);
  expect(await cancelBackfill(ctx, { schedule_id: id, id: b, cancel_tasks: true })).toMatchObject({ status: 'cancelled' });
});

test('of a fire that stands in a row for many leaves that row alone', async () => {
  const busy = await makeSchedule(ctx, '2026-05-31T00:00:00Z', { cron: '* * * * *', catchup: 'none', overlap: 'allow' });
  await fireAt(em, busy, '2026-06-01T00:00:00Z');
  const [many] = (await ledgerOf(em, busy)).filter(({ count }) => count > 1);
  expect(many?.count).toBeGreaterThan(400);
  const { backfill: made } = await createBackfill(
    ctx,
    busy,
    BackfillCreation.parse({ from: '2026-05-31T00:01:00Z', until: '2026-05-31T00:02:00Z', max_active: 5 }),
  );
  expect(await advanceBackfill(em.fork() as Em, { id: made?.id ?? '', schedule_id: busy }, testEngines)).toBe(2);
  expect((await ledgerOf(em, busy)).filter(({ count }) => count > 1)).toEqual([many]);
});

test.each([
  [{ until: '2026-05-01T00:00:00Z' }, '/until'],
  [{ until: '2999-05-01T00:00:00Z' }, '/until'],
  [{ from: '1990-01-01T00:00:00Z' }, '/from'],
])('refuses the range %j', async (more, pointer) => {
  await expect(createBackfill(ctx, id, range(more))).rejects.toMatchObject({ code: 'invalid_input', errors: [{ pointer }] });
});
