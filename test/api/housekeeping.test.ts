import supertest from 'supertest';
import { reportDatabase } from '../../commands/report-database.ts';
import { runRetention } from '../../commands/run-retention.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { makeUser } from '../support/factories.ts';
import { makeOldTasks, rowCounts } from '../support/old-rows.ts';

const POLICY = {
  idempotency_hours: 24,
  log_days: 30,
  instance_days: 30,
  task_days: 30,
  audit_days: 365,
  flames_log_days: 30,
  notice_days: 365,
};

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
  await makeUser(api.em);
});
afterAll(async () => await api.stop());

const post = async (body: Record<string, unknown>) => await api.as(api.admin).post('/admin/retention').send(body);

describe('retention by request', () => {
  it('counts without removing, as a dry run', async () => {
    await makeOldTasks(api.em, { tasks: 3, age_days: 31 });
    const before = await rowCounts(api.em);
    const { status, body } = await post({ dry_run: true });
    expect({ status, body }).toMatchObject({
      status: 202,
      body: { id: null, dry_run: true, status: 'completed', removed: { tasks: 3, instances: 3, instance_logs: 6, audit_log: 0 } },
    });
    expect(await rowCounts(api.em)).toEqual(before);
    expect((await api.as(api.admin).get('/admin/retention')).body.items).toEqual([]);
  });

  it('is a resource that can be followed to its end', async () => {
    const { status, body } = await post({});
    expect({ status, body }).toMatchObject({
      status: 202,
      body: { dry_run: false, status: 'requested', requested_by: 'user:admin', removed: {} },
    });
    const fork = () => api.database.orm.em.fork() as Em;
    await runRetention(body.id, { fork, policy: POLICY, signal: new AbortController().signal });
    const run = await api.as(api.admin).get(`/admin/retention/${body.id}`);
    expect(run.body).toMatchObject({ id: body.id, status: 'completed', removed: { tasks: 3 }, finished_at: expect.any(String) });
    expect((await api.as(api.admin).get('/admin/retention')).body.items).toEqual([run.body]);
  });

  it('shows in the metrics what was removed and when', async () => {
    const { text } = await supertest(api.app).get('/metrics');
    expect(text).toMatch(/orchestrator_retention_removed_rows\{table="tasks"\} 3/);
    const [, seconds = '0'] = /^orchestrator_retention_last_success_timestamp_seconds (\S+)/m.exec(text) ?? [];
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('refuses what it does not know', async () => {
    expect((await post({ dry_run: 'yes' })).status).toBe(422);
    expect((await api.as(api.admin).get('/admin/retention/987654')).status).toBe(404);
  });
});

describe('the report about the database', () => {
  it('has every table, its size and its indexes', async () => {
    await query(api.em, 'analyze');
    const { status, body } = await api.as(api.admin).get('/admin/database');
    expect(status).toBe(200);
    const names = body.tables.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['tasks', 'instances', 'instance_logs', 'audit_log', 'retention_runs']));
    const tasks = body.tables.find(({ name }: { name: string }) => name === 'tasks');
    expect(tasks.total_bytes).toBeGreaterThanOrEqual(tasks.table_bytes + tasks.index_bytes);
    expect(tasks.last_analyze).toMatch(/^\d{4}-/);
    expect(body.indexes.map(({ name }: { name: string }) => name)).toContain('idx_tasks_status');
    expect(body.size_bytes).toBeGreaterThan(1_000_000);
    expect(body.connections.used).toBeGreaterThan(0);
  });

  it('names indexes that nothing has read, but not those that enforce a key', async () => {
    await query(api.em, 'create index idx_never_read on users (email, role)');
    await query(api.em, 'create unique index idx_never_read_unique on users (email, role)');
    const { unused_indexes } = (await api.as(api.admin).get('/admin/database')).body;
    await query(api.em, 'drop index idx_never_read, idx_never_read_unique');
    expect(unused_indexes).toContain('idx_never_read');
    expect(unused_indexes).not.toContain('idx_never_read_unique');
  });

  it('names slow statements from pg_stat_statements, without their parameters', async () => {
    await query(api.em, `select pg_sleep(0.3), $1::text as marked`, ['a private value']);
    const { slow_statements } = (await api.as(api.admin).get('/admin/database')).body;
    expect(slow_statements.source).toBe('pg_stat_statements');
    const found = slow_statements.items.find(({ statement }: { statement: string }) => statement.includes('as marked'));
    expect(found).toMatchObject({ calls: 1 });
    expect(found.mean_ms).toBeGreaterThanOrEqual(300);
    expect(JSON.stringify(slow_statements)).not.toContain('a private value');
  });

  it('does without the extension', async () => {
    await query(api.em, 'drop extension pg_stat_statements');
    expect((await reportDatabase(api.em)).slow_statements).toEqual({ source: 'this_process', items: [] });
  });

  it('names the transaction that has been open longest', async () => {
    await api.database.orm.em.fork().transactional(async (tx) => {
      await query(tx as Em, 'select 1 as held');
      const { oldest_transaction } = (await api.as(api.admin).get('/admin/database')).body;
      expect(oldest_transaction).toMatchObject({ application: 'test', state: 'idle in transaction', statement: 'select 1 as held' });
    });
  });
});
