import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { lowestOf } from '../../core/flames/examples.ts';
import { figuresOfRun } from '../../core/flames/report.ts';
import { completed } from '../../core/outcome.ts';
import { tallyEntries } from '../../engines/flames/figures.ts';
import { type Em, query } from '../../entities/sql.ts';
import {
  deleteTaskLogs,
  getTaskLogs,
  insertTaskLogs,
  readTaskLogs,
  type TaskLog,
  tallyLogs,
} from '../../entities/task-flames-log.queries.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf, emptyDatabase, outcome, startTask, submitOne } from '../support/factories.ts';
import { logRows, makeDataset, makeFlamesWorld, RULES, runRow } from '../support/flames.ts';

let db: TestDatabase;
let ctx: CommandContext;
const em = () => db.orm.em.fork() as Em;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  await emptyDatabase(db.em);
  ctx = await makeFlamesWorld(db.em);
});

const parametersOf = async (more: Record<string, unknown> = {}) => ({
  dataset_id: await makeDataset(ctx, 10),
  model: { base_url: 'https://model.example.org/v1', name: 'm' },
  scorer: RULES,
  ...more,
});
const submitFlames = async (more: Record<string, unknown> = {}) =>
  await submitOne(ctx, { template: 'f', name: 'an evaluation', parameters: await parametersOf(more) });
const oldRun = async (task_id: string, more: Record<string, unknown> = {}) => {
  const values = { status: 'completed', result: null, ...more };
  await query(em(), 'insert into task_flames (task_id, status, result) values ($1, $2, $3::jsonb)', [
    task_id,
    values.status,
    JSON.stringify(values.result),
  ]);
  return task_id;
};
const log = (more: Partial<TaskLog> = {}): TaskLog => ({ dimension: 'Safety', predicted: 3, prompt: 'p', response: 'r', ...more });

describe('a run follows its task', () => {
  test('from submission on, in the same transaction', async () => {
    const { uuid } = await submitFlames({ limit: 6, epochs: 2 });
    expect(await runRow(db.em, uuid)).toMatchObject({
      task_id: uuid,
      task_uuid: uuid,
      user_id: String(ctx.actor.id),
      name: 'an evaluation',
      model: 'm',
      base_url: 'https://model.example.org/v1',
      scorer: 'rules',
      status: 'pending',
      total: 12,
      start_time: null,
      end_time: null,
    });
  });

  test.each([
    ['completed', { verdict: 'completed' }, 'completed'],
    ['completed', { verdict: 'partial' }, 'partial'],
    ['failed', null, 'failed'],
    ['cancelled', null, 'cancelled'],
  ] as const)('%s with %j is %s, with times', async (status, result, expected) => {
    const { task, runid } = await startTask(ctx, { item: { template: 'f', parameters: await parametersOf() } });
    expect(await runRow(db.em, task.uuid)).toMatchObject({ status: 'running', start_time: expect.anything() });
    const end = result ? completed(result) : outcome(status);
    await finishInstances(em(), [{ runid, lease_epoch: null, outcome: end }], 'test');
    const run = await runRow(db.em, task.uuid);
    expect(run).toMatchObject({ status: expected, end_time: expect.anything(), error: result ? null : { code: status } });
    expect(run.repair_at).not.toBeNull();
  });

  test('where it never ran, and through a retry', async () => {
    const { uuid } = await submitFlames();
    await cancelTask(ctx, uuid, null);
    expect(await runRow(db.em, uuid)).toMatchObject({ status: 'cancelled', start_time: null, end_time: expect.anything() });
    await query(em(), `update tasks set status = 'queued', completed_at = null where uuid = $1`, [uuid]);
    expect(await runRow(db.em, uuid)).toMatchObject({ status: 'pending', end_time: null, error: null });
  });

  test('and outlives it', async () => {
    const { uuid } = await submitFlames();
    await cancelTask(ctx, uuid, null);
    await insertTaskLogs(em(), uuid, { logs: [log()] });
    await em().transactional(async (tx) => {
      await query(tx as Em, `set local orchestrator.retention = 'on'`);
      await query(tx as Em, 'delete from task_history where task_id = $1', [uuid]);
      await query(tx as Em, 'delete from tasks where uuid = $1', [uuid]);
    });
    expect(await runRow(db.em, uuid)).toMatchObject({ task_id: uuid, task_uuid: null, status: 'cancelled' });
    expect(await logRows(db.em, uuid)).toHaveLength(1);
  });

  test('a task of another engine has none, and one that scores again has a score set instead', async () => {
    await submitOne(ctx);
    const { uuid } = await submitFlames();
    await cancelTask(ctx, uuid, null);
    await insertTaskLogs(em(), uuid, { logs: [log(), log()] });
    const again = await submitOne(ctx, { template: 'f', parameters: { rescore_of: uuid, scorer: RULES } });
    expect(await countOf(db.em, 'task_flames')).toBe(1);
    expect(await query(em(), 'select task_id, task_uuid, status, total, scorer from flames_score_set')).toEqual([
      { task_id: uuid, task_uuid: again.uuid, status: 'pending', total: 2, scorer: 'rules' },
    ]);
  });
});

test('an old run with logs inside its result says so; one that has ended has an end; none of them is touched unasked', async () => {
  await oldRun('old-1', { result: { logs: [log()] } });
  await oldRun('old-2', { result: { overall: 5 } });
  const runs = await query(em(), 'select task_id, logs, end_time is not null as ended, repair_at from task_flames order by task_id');
  expect(runs).toEqual([
    { task_id: 'old-1', logs: 'result', ended: true, repair_at: null },
    { task_id: 'old-2', logs: 'database', ended: true, repair_at: null },
  ]);
});

describe('insertTaskLogs', () => {
  test('takes rows with the document’s columns alone, and numbers them', async () => {
    await oldRun('r');
    expect(await insertTaskLogs(em(), 'r', { logs: [log(), log({ predicted: null })] })).toBe(2);
    expect(await insertTaskLogs(em(), 'r', { logs: [log({ predicted: 1 })] })).toBe(1);
    const rows = await logRows(db.em, 'r');
    expect(rows.map(({ prompt_seq, predicted, status }) => [prompt_seq, predicted, status])).toEqual([
      [1, 3, 'ok'],
      [2, null, 'unparsed'],
      [3, 1, 'ok'],
    ]);
  });

  test('again is the same, a score outweighs an answer, and nothing takes a score away', async () => {
    await oldRun('r');
    const origin = { runid: '01890000-0000-7000-8000-000000000001', scorer: 'rules' };
    const put = async (status: TaskLog['status'], predicted: 1 | 3 | null, from: typeof origin | null = origin) =>
      await insertTaskLogs(em(), 'r', { logs: [log({ prompt_seq: 1, status, predicted })], ...(from ? { origin: from } : {}) });
    expect(await put('answered', null)).toBe(1);
    expect(await put('ok', 3)).toBe(1);
    expect(await put('answered', null)).toBe(0);
    expect(await put('error', null)).toBe(0);
    expect(await put('ok', 1, null)).toBe(0);
    expect(await put('ok', 1)).toBe(1);
    expect(await logRows(db.em, 'r')).toMatchObject([{ status: 'ok', predicted: 1, ...origin }]);
  });

  test('refuses what is no score', async () => {
    await oldRun('r');
    for (const bad of [0, 4])
      await expect(insertTaskLogs(em(), 'r', { logs: [log({ predicted: bad as never })] })).rejects.toMatchObject({ code: '23514' });
    await expect(insertTaskLogs(em(), 'r', { logs: [log({ predicted: null, status: 'ok' })] })).rejects.toMatchObject({ code: '23514' });
    await expect(insertTaskLogs(em(), 'r', { logs: [log({ predicted: 3, status: 'error' })] })).rejects.toMatchObject({ code: '23514' });
    await expect(insertTaskLogs(em(), 'nobody', { logs: [log()] })).rejects.toMatchObject({ code: '23503' });
  });
});

describe('reading', () => {
  const DIMENSIONS = ['Safety', 'Legality', 'Other'];
  const many = Array.from({ length: 300 }, (_, i): TaskLog => {
    const predicted = i % 7 === 0 ? null : ((((i * 13) % 3) + 1) as 1 | 2 | 3);
    return log({
      dimension: DIMENSIONS[i % 3],
      subcomponent: i % 2 ? 'a' : null,
      predicted,
      prompt: `p${i}`,
      status: predicted ? 'ok' : (['error', 'refused', 'answered'] as const)[i % 3],
    });
  });
  beforeEach(async () => {
    await oldRun('r');
    await oldRun('other');
    await insertTaskLogs(em(), 'other', { logs: [log({ predicted: 1 })] });
    await insertTaskLogs(em(), 'r', { logs: many });
  });
  const all = async () =>
    await readTaskLogs(em(), { task_id: 'r', score_set: null, after: { seq: 0, epoch: 0 }, limit: 1_000, dimension: null });

  test('getTaskLogs gives the lowest of each dimension, ten unless told otherwise, as the pure function does', async () => {
    const entries = await all();
    for (const limit of [undefined, 3, 1_000]) {
      const found = await getTaskLogs(em(), 'r', limit);
      const expected = lowestOf(entries, limit ?? 10);
      expect(found.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
      for (const dimension of DIMENSIONS) {
        const of = (list: typeof found) => list.filter((row) => row.dimension === dimension).map(({ id }) => id);
        expect(of(found)).toEqual(of(expected));
      }
    }
    expect(await getTaskLogs(em(), 'nobody')).toEqual([]);
  });

  test('tallies of the table are those of its rows one by one', async () => {
    const sorted = (groups: { dimension: string; subcomponent: string | null }[]) =>
      groups.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    const [table, rows] = [await tallyLogs(em(), 'r'), await tallyEntries(await all())];
    expect(table).toHaveLength(6);
    expect(sorted(table)).toEqual(sorted(rows.map(({ ...group }) => ({ ...table[0], ...group }))));
    expect(figuresOfRun(table).overall.n).toBe(300);
  });

  test('deleteTaskLogs removes all of them, and nobody else’s', async () => {
    expect(await deleteTaskLogs(em(), 'r')).toBe(300);
    expect(await countOf(db.em, 'task_flames_logs')).toBe(1);
    expect(await deleteTaskLogs(em(), 'r')).toBe(0);
  });
});
