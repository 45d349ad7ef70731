import type pg from 'pg';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { makePool } from '../support/factories.ts';

let db: TestDatabase;
let orm: MikroORM;
beforeAll(async () => {
  db = await createTestDatabase();
  await makePool(db.em as Em);
});
beforeEach(async () => {
  await query(db.em as Em, 'update pools set total_cpu = 1000');
  orm = await createOrm({ url: db.url, pool_max: 2, application_name: 'lossy' });
});
afterEach(() => orm.close(true));
afterAll(() => db.drop());

const fork = () => orm.em.fork() as Em;
const cut = async () => await query(db.em, `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'lossy'`);

/** One transaction that is cut at a moment of its life. */
async function transaction(moment: 'before' | 'begun' | 'written'): Promise<void> {
  if (moment === 'before') await cut();
  await fork().transactional(async (tx) => {
    await query(tx as Em, 'select 1');
    if (moment === 'begun') await cut();
    await query(tx as Em, `update pools set total_cpu = total_cpu + 1`);
    if (moment === 'written') await cut();
  });
}

/** More often than the pool has places. */
const TIMES = 5;

test.each(['before', 'begun', 'written'] as const)('a connection that dies %s is given back, and nothing of it stays', async (moment) => {
  for (let i = 0; i < TIMES; i += 1) {
    await query(fork(), 'select 1').catch(() => undefined);
    await transaction(moment).catch((cause: unknown) => {
      expect((cause as Error).message).toMatch(/terminat|connection error/i);
    });
  }
  expect(await fork().transactional(async (tx) => await query(tx as Em, 'select 1 as n'))).toEqual([{ n: 1 }]);
  if (moment !== 'before') expect(await query(db.em, 'select total_cpu::float8 as n from pools')).toEqual([{ n: 1000 }]);
});

test('a transaction whose BEGIN finds a dead connection gives it back', async () => {
  const native = await (orm.em.getConnection() as unknown as { getNativeClient(): Promise<pg.Pool> }).getNativeClient();
  for (let i = 0; i < TIMES; i += 1) {
    const client = await native.connect();
    client.query = (() => Promise.reject(new Error('Connection terminated'))) as never;
    client.release();
    await expect(fork().transactional(async () => undefined)).rejects.toThrow(/terminat/);
    native.removeAllListeners('error');
    const again = await native.connect();
    Reflect.deleteProperty(again, 'query');
    again.release();
  }
  expect([native.totalCount, native.idleCount, native.waitingCount]).toEqual([1, 1, 0]);
});

test('an error of a statement rolls back and keeps the connection', async () => {
  await expect(fork().transactional(async (tx) => await query(tx as Em, 'select 1 / 0'))).rejects.toThrow(/division by zero/);
  const [row] = await query(
    fork(),
    `select count(*)::int4 as n, max(state) as state from pg_stat_activity where application_name = 'lossy' and pid <> pg_backend_pid()`,
  );
  expect(row).toEqual({ n: 0, state: null });
});
