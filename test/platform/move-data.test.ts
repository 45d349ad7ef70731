import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { migrations } from '../../migrations/index.ts';
import { copyDatabase } from '../../platform/copy-database.ts';
import { inReferenceOrder } from '../../platform/database-tables.ts';
import { dumpDatabase, restoreDump, schemaOfDump } from '../../platform/dump.ts';
import { migrateDown, migrateTo, migrateUp } from '../../platform/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { ask, fillDatabase } from './fixtures/fill-database.ts';
import { dataFolder } from './fixtures/folder.ts';

describe('moving data', () => {
  const databases: TestDatabase[] = [];
  let data_dir: string;
  let remove: () => Promise<void>;

  const database = async () => {
    const made = await createTestDatabase();
    databases.push(made);
    return made;
  };
  const filled = async () => {
    const made = await database();
    await fillDatabase(made.url);
    return made;
  };
  const tasksIn = (url: string) => ask<{ n: number }>(url, 'select count(*)::int as n from tasks').then((rows) => rows[0]?.n);
  const everything = (url: string) =>
    ask(url, 'select to_jsonb(t) as t, i.logs from tasks t join instances i on i.task_id = t.uuid order by t.uuid');

  beforeEach(async () => {
    ({ data_dir, remove } = await dataFolder());
  });
  afterEach(async () => {
    for (const made of databases.splice(0)) await made.drop();
    await remove();
  });

  it('goes there and back with equal rows and checksums, byte for byte', async () => {
    const [home, away] = [await filled(), await database()];
    const before = await everything(home.url);
    const there = await copyDatabase(home.url, away.url);
    const back = await copyDatabase(away.url, home.url, { replace: true });
    expect(back).toEqual(there);
    expect(there.find((t) => t.table === 'instance_logs')).toMatchObject({ rows: 2000 });
    expect(there.every((t) => t.source_sum === t.target_sum)).toBe(true);
    expect(await everything(home.url)).toEqual(before);
  });

  it('leaves guards and counters in force at the target', async () => {
    const [home, away] = [await filled(), await database()];
    await copyDatabase(home.url, away.url);
    await expect(ask(away.url, "update tasks set status = 'queued'")).rejects.toMatchObject({ constraint: 'tasks_transition' });
    await expect(ask(away.url, 'truncate task_history')).rejects.toMatchObject({ constraint: 'append_only' });
    expect(await ask(away.url, "insert into users (username, role) values ('new', 'user') returning id::int")).toEqual([{ id: 21 }]);
  });

  it('is refused when the target holds tasks, unless they may be replaced', async () => {
    const [one, two] = [await filled(), await filled()];
    await expect(copyDatabase(one.url, two.url)).rejects.toThrow(/target holds tasks.*--replace/);
    await copyDatabase(one.url, two.url, { replace: true });
    expect(await everything(two.url)).toEqual(await everything(one.url));
  });

  it('is refused while somebody else is connected to either side', async () => {
    const [one, two] = [await filled(), await database()];
    const other = new pg.Client({ connectionString: one.url, application_name: 'worker w1' });
    await other.connect();
    await expect(copyDatabase(one.url, two.url)).rejects.toThrow(/source database is in use by worker w1/);
    await other.end();
  });

  it('changes nothing when a copy differs from its source', async () => {
    const [one, two] = [await filled(), await database()];
    await copyDatabase(one.url, two.url);
    await ask(one.url, 'alter table tasks alter column cpu type numeric(12, 2)');
    await ask(two.url, `alter table tasks alter column cpu type numeric(12, 1)`);
    await expect(copyDatabase(one.url, two.url, { replace: true })).rejects.toThrow(
      /table tasks: 500 rows .* expected the same; nothing was changed/,
    );
    expect(await tasksIn(two.url)).toBe(500);
    expect(await tasksIn(one.url)).toBe(500);
  });

  it('says which side does not answer, without its password', async () => {
    const one = await database();
    const nowhere = 'postgres://someone:hush@127.0.0.1:9/nothing';
    await expect(copyDatabase(one.url, nowhere)).rejects.toThrow('database 127.0.0.1:9/nothing: cannot connect');
    await expect(dumpDatabase(nowhere, path.join(data_dir, 'x'))).rejects.not.toThrow(/hush/);
  });

  it('is refused between different schemas', async () => {
    const [one, two] = [await filled(), await database()];
    await ask(two.url, 'drop schema public cascade; create schema public');
    await expect(copyDatabase(one.url, two.url)).rejects.toThrow(/source's schema is 0001-initial.*the target's empty/);
  });

  it('orders tables by their references and refuses a cycle', () => {
    const table = (name: string, ...refers_to: string[]) => ({ name, refers_to, columns: [], sequences: [] });
    expect(inReferenceOrder([table('a', 'b'), table('b', 'c'), table('c')]).map((t) => t.name)).toEqual(['c', 'b', 'a']);
    expect(() => inReferenceOrder([table('a', 'b'), table('b', 'a')])).toThrow(/a, b refer to each other/);
  });

  it('dumps a database that holds data before its schema changes, and the dump restores it', async () => {
    const { url, orm } = await filled();
    const before = await everything(url);
    const { dump } = await migrateDown(orm, { dumpTo: data_dir, to: 0 });
    if (dump === null) throw new Error('no dump was made');
    expect((await stat(dump)).mode & 0o777).toBe(0o600);
    await migrateTo(orm, (await schemaOfDump(dump)).at(-1) ?? null);
    await restoreDump(url, dump);
    expect(await everything(url)).toEqual(before);
    expect(await ask(url, "insert into users (username, role) values ('new', 'user') returning id::int")).toEqual([{ id: 21 }]);
  });

  it('makes no dump of an empty database', async () => {
    const { orm } = await database();
    await migrateTo(orm, null);
    expect(await migrateUp(orm, { dumpTo: data_dir })).toMatchObject({ dump: null, names: migrations.map(({ name }) => name) });
  });

  it('restores all of a dump or nothing', async () => {
    const { url } = await filled();
    const file = path.join(data_dir, 'x.sql.gz');
    await dumpDatabase(url, file);
    const text = gunzipSync(await readFile(file)).toString();
    await writeFile(file, gzipSync(text.slice(0, text.length * 0.7)));
    await expect(restoreDump(url, file)).rejects.toThrow();
    expect(await tasksIn(url)).toBe(500);
    await writeFile(file, gzipSync('select 1;\n'));
    await expect(restoreDump(url, file)).rejects.toThrow(/expected a dump made by this program/);
  });

  it('runs migrations of several starters one after the other', async () => {
    const { orm } = await database();
    await migrateTo(orm, null);
    const reports = await Promise.all([
      migrateUp(orm, { dumpTo: null }),
      migrateUp(orm, { dumpTo: null }),
      migrateUp(orm, { dumpTo: null }),
    ]);
    expect(reports.flatMap((r) => r.names)).toEqual(migrations.map(({ name }) => name));
  });
});
