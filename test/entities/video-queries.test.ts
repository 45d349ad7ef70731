import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { getStatistics, storeStatistics } from '../../entities/statistic.queries.ts';
import {
  countByStatus,
  getRecent,
  getTask,
  getTaskDetail,
  getTaskDetails,
  getTaskScripts,
  getTaskVideos,
  getUserTasks,
  getWithScripts,
  getWithVideos,
  readEvents,
} from '../../entities/video.queries.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { statementsOf } from '../support/statements.ts';
import { makeVideoTask, makeVideoWorld } from '../support/video.ts';

const ALL = { user_id: null };
let db: TestDatabase;
let uuids: string[];
let user_id: number;

/** Forty tasks of six scenes each. */
beforeAll(async () => {
  db = await createTestDatabase();
  user_id = (await makeVideoWorld(db.em as Em)).id;
  uuids = [];
  for (let i = 0; i < 40; i += 1) uuids.push(await makeVideoTask(db.em as Em, { prompt: `video ${i}` }));
  await query(
    db.em as Em,
    `insert into scripts (task_id, scene_number, description, duration) select uuid, n, 'scene ' || n, n from unnest($1::uuid[]) uuid, generate_series(6, 1, -1) n`,
    [uuids],
  );
  await query(
    db.em as Em,
    `insert into videos (task_id, scene_number, file_path, file_size, duration, sha256) select uuid, n, 'x', 10, n, 'y' from unnest($1::uuid[]) uuid, generate_series(6, 1, -1) n`,
    [uuids],
  );
  await query(db.em as Em, 'analyze');
});
afterAll(() => db.drop());

const first = () => uuids[0] ?? '';
const days = { from: '2026-01-01', to: '2026-01-31' };

/** Name, call, and how many statements it may send however many rows there are. */
const QUERIES: [string, (em: Em) => Promise<unknown>][] = [
  ['getTask', (em) => getTask(em, first(), ALL)],
  ['getWithScripts', (em) => getWithScripts(em, first(), ALL)],
  ['getWithVideos', (em) => getWithVideos(em, first(), ALL)],
  ['getTaskDetail', (em) => getTaskDetail(em, first(), ALL)],
  ['getTaskDetails', (em) => getTaskDetails(em, uuids)],
  ['getTaskScripts', (em) => getTaskScripts(em, first())],
  ['getTaskVideos', (em) => getTaskVideos(em, first())],
  ['getUserTasks', (em) => getUserTasks(em, { user_id, status: ['processing'] }, { limit: 50, cursor: null })],
  ['getRecent', (em) => getRecent(em, ALL, 20)],
  ['countByStatus', (em) => countByStatus(em, ALL)],
  ['getStatistics', (em) => getStatistics(em, { ...days, ...ALL })],
  ['storeStatistics', (em) => storeStatistics(em, days)],
  ['readEvents', (em) => readEvents(em, first(), { after: 0, limit: 100 })],
];

it.each(QUERIES)('%s is one statement', async (_name, call) => {
  const { statements } = await statementsOf(db, call);
  expect(statements).toBe(1);
});

it('what they find is complete and in order', async () => {
  const em = db.em as Em;
  const found = await getTaskDetail(em, first(), { user_id });
  expect(found?.prompt).toBe('video 0');
  expect(found?.scripts.map(({ scene_number, duration }) => [scene_number, duration])).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, n]));
  expect(found?.videos.map(({ scene_number, file_size }) => [scene_number, file_size])).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, 10]));
  expect(await getTaskDetail(em, first(), { user_id: user_id + 1 })).toBeNull();
  expect((await getRecent(em, ALL, 3)).map(({ task_id }) => task_id)).toEqual(uuids.slice(-3).toReversed());
  expect(await countByStatus(em, { user_id })).toMatchObject({ total: 40, counts: { processing: 40, failed: 0 } });
  expect((await getTaskDetails(em, uuids)).map(({ task_id }) => task_id)).toEqual(uuids);
  expect(await getTaskScripts(em, first())).toEqual(found?.scripts);
  expect(await getTaskVideos(em, first())).toEqual(found?.videos);
});

it('a connection pool is as large as it was told to be', async () => {
  const orm = await createOrm({ url: db.url, pool_max: 3, application_name: 'pool test' });
  try {
    await Promise.all(Array.from({ length: 20 }, () => query(orm.em.fork() as Em, 'select pg_sleep(0.02)')));
    const [row] = await query<{ n: number }>(
      db.em as Em,
      `select count(*)::int4 as n from pg_stat_activity where application_name = 'pool test'`,
    );
    expect(row?.n).toBe(3);
  } finally {
    await orm.close(true);
  }
});

it('neither scripts nor videos double, whoever writes them twice', async () => {
  const twice = `insert into scripts (task_id, scene_number, description, duration) values ('${first()}', 1, 'x', 1)`;
  await expect(query(db.em as Em, twice)).rejects.toMatchObject({ code: '23505' });
  const video = `insert into videos (task_id, scene_number, file_path, status) values ('${first()}', 1, 'x', 'rendering')`;
  await expect(query(db.em as Em, video)).rejects.toMatchObject({ code: '23505' });
});

it('the ledger takes one end for each reservation, and is never changed', async () => {
  const em = db.em as Em;
  const entry = (kind: string) =>
    query(em, `insert into quota_ledger (user_id, task_id, round, kind, amount) values ($1, $2, 1, $3, 1)`, [user_id, first(), kind]);
  await entry('reserve');
  await entry('commit');
  await expect(entry('commit')).rejects.toMatchObject({ code: '23505' });
  await expect(entry('refund')).rejects.toMatchObject({ code: '23505' });
  await expect(query(em, 'update quota_ledger set amount = 2')).rejects.toMatchObject({ code: '23514' });
});
