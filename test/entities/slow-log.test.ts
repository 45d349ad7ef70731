import { pino } from 'pino';
import { reportDatabase } from '../../commands/report-database.ts';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import { SlowLog, slowLogOf } from '../../entities/slow-log.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

type Line = { msg: string; statement: string; duration_ms: number };

let db: TestDatabase;
let orm: MikroORM;
let lines: Line[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
const open = async (over_ms: number): Promise<MikroORM> =>
  await createOrm({ url: db.url, pool_max: 2, application_name: 'slow', slow: { over_ms, logger } });

beforeAll(async () => {
  db = await createTestDatabase();
  orm = await open(100);
});
afterAll(async () => {
  await orm.close(true);
  await db.drop();
});
beforeEach(() => {
  lines = [];
});

test('a slow statement is logged with its duration and without its parameters', async () => {
  await query(orm.em.fork() as Em, `select pg_sleep($1::float8),\n   $2::text`, [0.15, 'a private value']);
  expect(lines).toMatchObject([{ msg: 'slow statement', statement: 'select pg_sleep($1::float8), $2::text' }]);
  expect(lines[0]?.duration_ms).toBeGreaterThanOrEqual(150);
  expect(JSON.stringify(lines)).not.toContain('private');
});

test('so is one that fails, and one of the entity manager', async () => {
  await expect(query(orm.em.fork() as Em, `select $1::int4 / (length(pg_sleep(0.15)::text) * 0)`, [1])).rejects.toMatchObject({
    code: '22012',
  });
  await orm.em.fork().execute('select pg_sleep(?), ?::text', [0.15, 'a private value']);
  expect(lines.map(({ msg }) => msg)).toEqual(['slow statement', 'slow statement']);
  expect(JSON.stringify(lines)).not.toContain('private');
});

test('quick ones are not, and none is where the limit is 0', async () => {
  await query(orm.em.fork() as Em, 'select 1');
  const silent = await open(0);
  await query(silent.em.fork() as Em, 'select pg_sleep(0.15)');
  expect(slowLogOf(silent.em)).toBeNull();
  await silent.close(true);
  expect(lines).toEqual([]);
});

test('the worst of this process are what the report shows where the server keeps no statistics of statements', async () => {
  await query(db.em, 'drop extension pg_stat_statements');
  const fresh = await open(50);
  const em = fresh.em.fork() as Em;
  for (const seconds of [0.1, 0.2]) await query(em, 'select pg_sleep($1::float8) as a', [seconds]);
  await query(em, 'select pg_sleep($1::float8) as b', [0.15]);
  const { slow_statements } = await reportDatabase(em);
  await fresh.close(true);
  expect(slow_statements.source).toBe('this_process');
  // On a busy machine the report's own statements may be slow too.
  const slept = slow_statements.items.filter(({ statement }) => statement.includes('pg_sleep'));
  expect(slept).toMatchObject([{ calls: 2, statement: 'select pg_sleep($1::float8) as a' }, { calls: 1 }]);
});

test('a statement made anew each time does not fill the memory', async () => {
  const log = new SlowLog(pino({ level: 'silent' }));
  for (let n = 0; n < 1_000; n += 1) log.note(`select ${n}`, n);
  expect(log.worst()).toHaveLength(200);
  expect(log.worst()[0]).toMatchObject({ statement: 'select 999', max_ms: 999 });
});
