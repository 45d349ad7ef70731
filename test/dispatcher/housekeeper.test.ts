import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { CommandContext } from '../../commands/context.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { requestRetention } from '../../commands/request-retention.ts';
import { loadConfig } from '../../config/env.ts';
import { withLock } from '../../dispatcher/held-lock.ts';
import { Housekeeper } from '../../dispatcher/housekeeper.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { countOf, emptyDatabase, makeWorld, startTask } from '../support/factories.ts';
import { makeOldTasks, rowCounts } from '../support/old-rows.ts';

const WORKER = fileURLToPath(new URL('../support/housekeeping-worker.ts', import.meta.url));

type Run = { status: string; removed: Record<string, number>; scheduled_for: string | null };
let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
let said: Record<string, unknown>[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(em);
  await query(em, 'truncate retention_runs');
  ctx = await makeWorld(em);
  said = [];
});

function keeper(settings: Record<string, string> = { RETENTION_AT: 'off' }): Housekeeper {
  const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line)) });
  return new Housekeeper({ fork: () => db.orm.em.fork() as Em, database_url: db.url, config: loadConfig(settings), logger });
}

const runs = async (): Promise<Run[]> => await query<Run>(em, 'select status, removed, scheduled_for from retention_runs order by id');
const linesRemoved = async (): Promise<number> => (await runs())[0]?.removed.instance_logs ?? 0;

const vacuumed = async (): Promise<string[]> => {
  const sql = `select relname as name from pg_stat_user_tables where last_vacuum is not null order by 1`;
  return (await query<{ name: string }>(em, sql)).map(({ name }) => name);
};

function startProcess(): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER, db.url], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  children.push(child);
  return child;
}

test('a run goes on after its process was killed in the middle, and the counts are those of one run', async () => {
  await makeOldTasks(em, { tasks: 5_000, age_days: 40, lines: 20 });
  await startTask(ctx);
  await requestRetention(ctx);
  const child = startProcess();
  await eventually(async () => expect(await linesRemoved()).toBeGreaterThan(5_000), { timeout_ms: 30_000 });
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  const removed = await linesRemoved();
  expect(removed).toBeLessThan(100_000);
  expect((await runs())[0]?.status).toBe('running');
  expect((await checkInvariants(em)).flatMap(({ violations }) => violations)).toEqual([]);
  const next = keeper();
  await eventually(
    async () => {
      await next.tick();
      expect((await runs())[0]?.status).toBe('completed');
    },
    { timeout_ms: 60_000 },
  );
  expect((await runs())[0]?.removed).toEqual({
    instance_logs: 100_000,
    instances: 5_000,
    grants: 5_000,
    tasks: 5_000,
    task_history: 15_000,
  });
  expect(await rowCounts(em)).toMatchObject({ tasks: 1, instances: 1, grants: 1, instance_logs: 0 });
  await eventually(async () =>
    expect(await vacuumed()).toEqual(expect.arrayContaining(['grants', 'instance_logs', 'instances', 'task_history', 'tasks'])),
  );
  expect((await checkInvariants(em)).flatMap(({ violations }) => violations)).toEqual([]);
}, 120_000);

test('only one dispatcher at a time keeps house, and another one goes on when it is gone', async () => {
  await makeOldTasks(em, { tasks: 3, age_days: 40 });
  await requestRetention(ctx);
  await withLock(db.url, 'orchestrator.retention', async () => {
    await keeper().tick();
    expect((await runs())[0]?.status).toBe('requested');
  });
  await Promise.all([keeper(), keeper(), keeper()].map((one) => one.tick()));
  expect(await runs()).toMatchObject([{ status: 'completed', removed: { tasks: 3 } }]);
});

test('the daily run happens once, at its time of day, whoever looks', async () => {
  await makeOldTasks(em, { tasks: 2, age_days: 40 });
  const tomorrow = new Date(Date.now() + 86_400_000);
  const at = (time: string) => new Date(`${tomorrow.toISOString().slice(0, 10)}T${time}Z`);
  const keepers = [keeper({ RETENTION_AT: '12:00' }), keeper({ RETENTION_AT: '12:00' })];
  for (const one of keepers) await one.tick(at('12:00:01'));
  for (const one of keepers) await one.tick(at('18:00:00'));
  await keeper({ RETENTION_AT: '12:00' }).tick(at('23:00:00'));
  expect(await runs()).toMatchObject([{ status: 'completed', removed: { tasks: 2 } }]);
  for (const one of keepers) await one.tick(new Date(at('12:00:01').getTime() + 86_400_000));
  expect(await runs()).toHaveLength(2);
});

test('a time of day that passed before the installation is not caught up, and off means never', async () => {
  await keeper({ RETENTION_AT: '00:00' }).tick(new Date(Date.now() - 2 * 86_400_000));
  await keeper().tick(new Date(Date.now() + 86_400_000));
  expect(await runs()).toEqual([]);
});

test('says what it removed', async () => {
  await makeOldTasks(em, { tasks: 2, age_days: 40 });
  await requestRetention(ctx);
  await keeper().tick();
  expect(said.map(({ msg }) => msg)).toEqual(['retention begins', 'retention completed']);
  expect(said[1]).toMatchObject({ removed: { tasks: 2, instances: 2 } });
});

test('forgets old idempotency keys without being asked, and keeps young ones', async () => {
  await query(
    em,
    `insert into idempotency_keys (user_id, key, request_hash, response, created_at)
     select id, 'k' || h, 'h', '{}', now() - make_interval(hours => h) from users, unnest(array[1, 3]) h`,
  );
  const one = keeper({ RETENTION_AT: 'off', IDEMPOTENCY_HOURS: '2' });
  one.start();
  await one.tick();
  await one.stop();
  expect(await countOf(em, `idempotency_keys where key = 'k1'`)).toBe(1);
  expect(await countOf(em, 'idempotency_keys')).toBe(1);
});
