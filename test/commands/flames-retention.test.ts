import { clearRemovedLogs } from '../../commands/clear-removed-logs.ts';
import type { CommandContext } from '../../commands/context.ts';
import { previewRetention } from '../../commands/request-retention.ts';
import { runRetention } from '../../commands/run-retention.ts';
import type { RetentionPolicy } from '../../core/retention.ts';
import { FlamesKeeper } from '../../dispatcher/flames-keeper.ts';
import { writeCopy } from '../../engines/flames/log-files.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf, emptyDatabase } from '../support/factories.ts';
import { makeArtifacts, makeFlamesWorld, type TestArtifacts } from '../support/flames.ts';

const POLICY: RetentionPolicy = {
  idempotency_hours: 24,
  log_days: 30,
  instance_days: 30,
  task_days: 30,
  audit_days: 365,
  flames_log_days: 30,
  notice_days: 60,
};

let db: TestDatabase;
let ctx: CommandContext;
let artifacts: TestArtifacts;
const fork = () => db.orm.em.fork() as Em;
beforeAll(async () => {
  db = await createTestDatabase();
  artifacts = await makeArtifacts();
});
afterAll(async () => {
  await artifacts.remove();
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(db.em);
  ctx = await makeFlamesWorld(db.em);
});

/** A run that ended so many days ago, with so many rows, by one statement. `figures`: whether it has them. */
async function oldRun(
  task_id: string,
  { days, rows, figures = true, status = 'completed' }: { days: number; rows: number; figures?: boolean; status?: string },
): Promise<void> {
  const result = figures ? { overall: { n: rows }, dimensions: [], old_logs: [1] } : null;
  await query(
    fork(),
    `insert into task_flames (task_id, status, end_time, result, has_files) values ($1, $2, case when $2 <> 'running' then now() - make_interval(days => $3) end, $4::jsonb, true)`,
    [task_id, status, days, JSON.stringify(result)],
  );
  await query(
    fork(),
    `insert into task_flames_logs (task_id, prompt_seq, dimension, predicted, prompt, response)
     select $1, n, 'Safety', 3, 'p', 'r' from generate_series(1, $2::int4) n`,
    [task_id, rows],
  );
}

async function run(change: Partial<RetentionPolicy> = {}, signal = new AbortController().signal) {
  const rows = await query<{ id: number }>(
    fork(),
    `insert into retention_runs (trigger, requested_by) values ('request', 'test') returning id::int4 as id`,
  );
  return await runRetention(rows[0]?.id ?? 0, { fork, policy: { ...POLICY, ...change }, signal });
}
const left = async () =>
  await query(
    fork(),
    `select f.task_id, f.logs, f.result, count(l.id)::int4 as rows from task_flames f left join task_flames_logs l on l.task_id = f.task_id group by f.task_id order by f.task_id`,
  );

test('rows of runs that ended long ago go, their figures stay, and younger and unfinished runs keep theirs', async () => {
  await oldRun('a-old', { days: 31, rows: 20 });
  await oldRun('b-young', { days: 29, rows: 20 });
  await oldRun('c-unfinished', { days: 99, rows: 20, status: 'running' });
  await oldRun('d-no-figures', { days: 99, rows: 20, figures: false });
  await oldRun('e-failed', { days: 40, rows: 20, status: 'failed' });
  expect((await previewRetention({ ...ctx, em: fork() }, POLICY)).removed).toMatchObject({ task_flames_logs: 40 });
  expect(await run()).toMatchObject({ status: 'completed', removed: { task_flames_logs: 40 } });
  expect(await left()).toEqual([
    { task_id: 'a-old', logs: 'removed', result: { overall: { n: 20 }, dimensions: [] }, rows: 0 },
    { task_id: 'b-young', logs: 'database', result: expect.anything(), rows: 20 },
    { task_id: 'c-unfinished', logs: 'database', result: expect.anything(), rows: 20 },
    { task_id: 'd-no-figures', logs: 'database', result: null, rows: 20 },
    { task_id: 'e-failed', logs: 'removed', result: expect.anything(), rows: 0 },
  ]);
  expect((await run()).removed).toEqual({});
  expect((await run({ flames_log_days: 0 })).removed).toEqual({});
});

test('larger runs go in batches of 5,000, and a run that was broken off goes on', async () => {
  await oldRun('large', { days: 40, rows: 11_000 });
  await oldRun('next', { days: 39, rows: 3_000 });
  const stopping = new AbortController();
  let batches = 0;
  const counting = () => {
    const em = fork();
    const transactional = em.transactional.bind(em);
    em.transactional = (async (work: (tx: Em) => Promise<unknown>) => {
      const result = await transactional(work as never);
      if ((await countOf(db.em, 'task_flames_logs')) < 14_000) batches += 1;
      if (batches === 1) stopping.abort();
      return result;
    }) as never;
    return em;
  };
  const rows = await query<{ id: number }>(
    fork(),
    `insert into retention_runs (trigger, requested_by) values ('request', 'test') returning id::int4 as id`,
  );
  const id = rows[0]?.id ?? 0;
  expect(await runRetention(id, { fork: counting, policy: POLICY, signal: stopping.signal })).toMatchObject({
    status: 'interrupted',
    removed: { task_flames_logs: 5_000 },
  });
  expect((await left()).map((one) => (one as { logs: string }).logs)).toEqual(['database', 'database']);
  expect(await runRetention(id, { fork, policy: POLICY, signal: new AbortController().signal })).toMatchObject({
    status: 'completed',
    removed: { task_flames_logs: 14_000 },
  });
  expect((await left()).map((one) => (one as { logs: string }).logs)).toEqual(['removed', 'removed']);
});

test('scores of score sets go with their rows, and cached answers when their time is over', async () => {
  await oldRun('r', { days: 31, rows: 5 });
  await query(fork(), `insert into flames_score_set (task_id, user_id) values ('r', $1)`, [ctx.actor.id]);
  await query(
    fork(),
    `insert into flames_score (score_set_id, log_id, predicted, status) select s.id, l.id, 1, 'ok' from flames_score_set s, task_flames_logs l`,
  );
  const cached = `insert into flames_cache (key, user_id, response, expires_at)
    select lpad(n::text, 64, 'x'), $1, 'r', now() + n * interval '1 hour' from unnest(array[-3, -2, -1, 1, 2]) n`;
  await query(fork(), cached, [ctx.actor.id]);
  expect((await run()).removed).toMatchObject({ task_flames_logs: 5, flames_cache: 3 });
  expect([await countOf(db.em, 'flames_score'), await countOf(db.em, 'flames_score_set'), await countOf(db.em, 'flames_cache')]).toEqual([
    0, 1, 2,
  ]);
});

test('files of runs whose rows went are removed too, and what a killed process left of the rows', async () => {
  await oldRun('r', { days: 31, rows: 5 });
  await writeCopy(fork(), artifacts.store, 'r');
  await run();
  expect(await artifacts.store.stat('flames/r/logs.ndjson')).not.toBeNull();
  const logger = { info: () => undefined, warn: () => undefined, debug: () => undefined } as never;
  const keeper = new FlamesKeeper({
    fork,
    database_url: db.url,
    logger,
    places: { artifacts: artifacts.store, old_dir: artifacts.folder },
  });
  await keeper.tick();
  expect(await artifacts.store.stat('flames/r/logs.ndjson')).toBeNull();
  expect(await query(fork(), 'select has_files, logs from task_flames')).toEqual([{ has_files: false, logs: 'removed' }]);
  await oldRun('begun', { days: 31, rows: 5, status: 'running' });
  await query(fork(), `update task_flames set logs = 'removed' where task_id = 'begun'`);
  await keeper.tick();
  expect(await clearRemovedLogs(fork(), { artifacts: artifacts.store }, 'begun')).toBe(0);
  expect(await countOf(fork(), 'task_flames_logs')).toBe(5);
  await oldRun('s', { days: 31, rows: 5 });
  await query(fork(), `update task_flames set logs = 'removed' where task_id = 's'`);
  expect(await clearRemovedLogs(fork(), { artifacts: artifacts.store }, 's')).toBe(5);
});
