import { createHash } from 'node:crypto';
import { seed } from '../../commands/seed.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, countOf, emptyDatabase, submitOne, testEngines } from '../support/factories.ts';

describe('seed', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(() => emptyDatabase(db.em));

  const size = { cpu: 6.5, memory_mb: 3000, engines: testEngines };
  const start = (em: Em = db.em) => seed(em, size);
  const kinds = testEngines.all.map(({ kind }) => kind);

  it('makes a pool of the machine’s size, two queues, a template for each engine and an administrator', async () => {
    await start();
    expect(await query(db.em, 'select name, total_cpu::float8 as cpu, total_memory::int4 as memory from pools')).toEqual([
      { name: 'default', cpu: 6.5, memory: 3000 },
    ]);
    expect(await query(db.em, 'select name, pool from queues order by name')).toEqual([
      { name: 'bulk', pool: 'default' },
      { name: 'default', pool: 'default' },
    ]);
    expect(await query(db.em, 'select name, engine, current_version from templates order by name')).toEqual(
      kinds.sort().map((name) => ({ name, engine: name, current_version: 1 })),
    );
    expect(await query(db.em, 'select username, role, quota from users')).toEqual([{ username: 'admin', role: 'admin', quota: null }]);
  });

  it('gives a template the cost that its engine has', async () => {
    await start();
    expect(await query(db.em, 'select template, quota_cost from template_versions where quota_cost > 0')).toEqual([
      { template: 'video', quota_cost: 1 },
    ]);
  });

  it('makes templates that can be submitted', async () => {
    await start();
    const [row] = await query<{ id: number }>(db.em, 'select id::int4 as id from users');
    const admin = contextOf(db.em, { id: row?.id ?? 0, username: 'admin', role: 'admin', rights: [] });
    expect(await submitOne(admin, { template: 'empty', parameters: { n: 3 } })).toMatchObject({ cpu: 1, memory_mb: 100, queue: 'default' });
    await expect(submitOne(admin, { template: 'empty', parameters: { n: 'x' } })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('shows the administrator’s key once and keeps only its hash', async () => {
    const { admin_key } = await start();
    if (!admin_key) throw new Error('no key was made');
    const [row] = await query<{ api_key: string }>(db.em, 'select api_key from users');
    expect(row?.api_key).toMatch(/^[0-9a-f]{64}$/);
    expect(row?.api_key).toBe(createHash('sha256').update(admin_key).digest('hex'));
    expect(JSON.stringify(await query(db.em, 'select * from audit_log'))).not.toContain(admin_key);
    expect((await start()).admin_key).toBeNull();
  });

  it('leaves what an operator changed', async () => {
    await start();
    await query(db.em, `update pools set total_cpu = 1`);
    await query(db.em, `update queues set capacity = 7`);
    const before = await query(db.em, 'select * from queues, pools order by queues.name');
    await start();
    expect(await query(db.em, 'select * from queues, pools order by queues.name')).toEqual(before);
    expect(await countOf(db.em, 'template_versions')).toBe(kinds.length);
  });

  it('runs once when five processes start together', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => start(db.orm.em.fork() as Em)));
    expect(keys.filter((k) => k.admin_key !== null)).toHaveLength(1);
    expect([await countOf(db.em, 'users'), await countOf(db.em, 'templates'), await countOf(db.em, 'audit_log')]).toEqual([
      1,
      kinds.length,
      1,
    ]);
  });
});
