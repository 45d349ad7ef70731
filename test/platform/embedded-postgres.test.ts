import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { commandLine } from '../../platform/pid-file.ts';
import { postmasterPid } from '../../platform/postmaster.ts';
import { eventually } from '../support/eventually.ts';
import { dataFolder } from './fixtures/folder.ts';

const fixture = fileURLToPath(new URL('./fixtures/start-postgres.ts', import.meta.url));

async function sql(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return (await client.query(text).finally(() => client.end())).rows;
}

/** Runs the server under a process of its own. */
async function startElsewhere(data_dir: string): Promise<{ url: string; pid: number; kill(): Promise<unknown> }> {
  const child = spawn(process.execPath, [fixture, data_dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const kill = () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    return ended;
  };
  return { url: line.toString().trim(), pid: Number(child.pid), kill };
}

describe('embedded PostgreSQL', () => {
  let data_dir: string;
  let remove: () => Promise<void>;
  const started: EmbeddedPostgres[] = [];
  const start = async (port = 0) => {
    const server = await startEmbeddedPostgres({ data_dir, host: '127.0.0.1', port });
    started.push(server);
    return server;
  };
  const data = () => path.join(data_dir, 'postgres', 'data');

  beforeEach(async () => {
    ({ data_dir, remove } = await dataFolder());
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    await remove();
  });

  it('is PostgreSQL 18 with durable settings and a password of its own that only its owner can read', async () => {
    const { url } = await start();
    const [row] = await sql(
      url,
      "select current_setting('server_version_num')::int / 10000 as major, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit, current_setting('max_connections')::int as connections",
    );
    expect(row).toEqual({ major: 18, fsync: 'on', commit: 'on', connections: 200 });
    expect((await stat(path.join(data_dir, 'postgres', 'password'))).mode & 0o777).toBe(0o600);
    expect((await readFile(path.join(data_dir, 'postgres', 'password'), 'utf8')).length).toBeGreaterThanOrEqual(24);
    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(sql(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  });

  it('keeps statistics of statements, outside the schema of our tables, also in a cluster made before', async () => {
    const first = await start();
    await sql(first.url, 'drop schema monitoring cascade');
    await first.stop();
    const { url } = await start();
    await sql(url, 'select 4711 as marked');
    const found = await sql(url, `select calls::int as calls from monitoring.pg_stat_statements where query like 'select $1 as marked'`);
    expect(found).toEqual([{ calls: 1 }]);
    expect(await sql(url, `select 1 from pg_class where relnamespace = 'public'::regnamespace`)).toEqual([]);
  });

  it('keeps committed rows when the server is killed with SIGKILL', async () => {
    const first = await start();
    await sql(first.url, 'create table kept as select generate_series(1, 1000) as n');
    process.kill(Number(postmasterPid({ data: data() })), 'SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');
    const second = await start();
    expect(await sql(second.url, 'select count(*)::int as n from kept')).toEqual([{ n: 1000 }]);
  });

  it('outlives its killed supervisor by a moment only, and the next start finds the rows', async () => {
    const orphan = await startElsewhere(data_dir);
    await sql(orphan.url, 'create table kept as select 7 as n');
    const pid = Number(postmasterPid({ data: data() }));
    await orphan.kill();
    const next = await start();
    expect(commandLine(pid)).toBeNull();
    expect(await sql(next.url, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  it('ends with its supervisor even when nobody starts again', async () => {
    const orphan = await startElsewhere(data_dir);
    const pid = Number(postmasterPid({ data: data() }));
    await orphan.kill();
    await eventually(() => expect(commandLine(pid)).toBeNull());
  });

  it('stops a server that still runs on the same data before it starts another', async () => {
    const other = await startElsewhere(data_dir);
    await sql(other.url, 'create table kept as select 3 as n');
    const next = await start();
    expect(await sql(next.url, 'select n from kept')).toEqual([{ n: 3 }]);
    await other.kill();
  });

  it('starts over a pid file whose number belongs to a stranger', async () => {
    const first = await start();
    await first.stop();
    await writeFile(path.join(data(), 'postmaster.pid'), `${process.ppid}\n${data()}\n1\n5433\n\n127.0.0.1\n\n`);
    const second = await start();
    expect(await sql(second.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    expect(commandLine(process.ppid)).not.toBeNull();
  });

  it('takes the next port when the wanted one is occupied', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as { port: number };
    const server = await start(port);
    occupant.close();
    expect(server.port).toBeGreaterThan(port);
    expect(await sql(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('begins anew where an earlier initialisation was broken off', async () => {
    await mkdir(`${data()}.new/base`, { recursive: true });
    await writeFile(`${data()}.new/PG_VERSION`, '18\n');
    expect(await sql((await start()).url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('refuses data of another major version and says what to do', async () => {
    await (await start()).stop();
    await writeFile(path.join(data(), 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow(/made by PostgreSQL 15, expected 18; move the folder away or set DATABASE_URL/);
  });

  it('refuses data of another user and says what to do', async () => {
    await (await start()).stop();
    await chown(data(), 54_321, 54_321);
    const owner = (await stat(path.join(data_dir, 'postgres'))).uid;
    await expect(start()).rejects.toThrow(/belongs to user 54321, expected \d+: .*DATA_DIR/);
    expect((await stat(path.join(data_dir, 'postgres'))).uid).toBe(owner);
  });

  it('reports what the server said when its data is damaged', async () => {
    await (await start()).stop();
    await writeFile(path.join(data(), 'global', 'pg_control'), 'damaged');
    await expect(start()).rejects.toThrow(/PostgreSQL ended while it started.*see .*postgres\.log/s);
  });
});
