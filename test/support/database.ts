import pg from 'pg';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import { eventually } from './eventually.ts';
import { testServers } from './test-servers.ts';

export { temporalAddress } from './test-servers.ts';

/** A database of one's own, migrated and empty. `em` is a fork to use directly. `drop` fails when connections were left open. */
export type TestDatabase = { url: string; orm: MikroORM; em: MikroORM['em']; drop(): Promise<void> };

let made = 0;

async function asAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(testServers().postgres_url);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.href, application_name: 'test support' });
  await client.connect();
  return await work(client).finally(() => client.end());
}

/** Connections of this database that somebody forgot to close. */
async function openConnections(name: string): Promise<string[]> {
  const sql =
    "select application_name || ': ' || left(query, 80) as what from pg_stat_activity where datname = $1 and backend_type = 'client backend'";
  const { rows } = await asAdmin((client) => client.query<{ what: string }>(sql, [name]));
  return rows.map((row) => row.what);
}

async function dropDatabase(name: string): Promise<void> {
  const leaked = await eventually(
    async () => {
      const open = await openConnections(name);
      if (open.length > 0) throw new Error(`connections left open: ${open.join(' | ')}`);
      return null;
    },
    { timeout_ms: 3000 },
  ).catch((error: unknown) => error);
  await asAdmin((client) => client.query(`drop database "${name}" with (force)`));
  if (leaked) throw leaked;
}

/** One database per test file: cheap (some 50 ms), because it is a copy of a migrated template. */
export async function createTestDatabase(): Promise<TestDatabase> {
  made += 1;
  const template = new URL(testServers().postgres_url).pathname.slice(1);
  const name = `test_${process.pid}_${made}`;
  await asAdmin((client) => client.query(`create database "${name}" template "${template}"`));
  const url = new URL(testServers().postgres_url);
  url.pathname = `/${name}`;
  const orm = await createOrm({ url: url.href, pool_max: 10, application_name: 'test' });
  const drop = async () => {
    await orm.close(true);
    await dropDatabase(name);
  };
  return { url: url.href, orm, em: orm.em.fork(), drop };
}
