import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EngineError } from '../core/errors.ts';
import { type Exit, type Running, spawnGuarded } from './guarded-process.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { freePort } from './ports.ts';
import { findPostgres, hasExtension, type PostgresBinaries } from './postgres-binaries.ts';
import { ensureCluster, OUTSIDE, type PostgresFolder, prepareFolder, SUPERUSER } from './postgres-folder.ts';
import { type Owner, postgresOwner } from './postgres-owner.ts';
import { endPostmaster } from './postmaster.ts';

/** `port`: where to look for a free one from. `settings`: server settings on top of ours, such as `fsync: 'off'` for tests. */
export type PostgresOptions = {
  data_dir: string;
  host: string;
  port: number;
  settings?: Record<string, string>;
  report?: (line: string) => void;
};

/** A server that accepts connections. `url` names the database `orchestrator` and holds the password. */
export type EmbeddedPostgres = Running & { url: string; port: number };

type Cluster = { options: PostgresOptions; folder: PostgresFolder; binaries: PostgresBinaries; owner: Owner | null; password: string };

const DATABASE = 'orchestrator';
const STARTS = 10;
const SETTINGS: Record<string, string> = {
  max_connections: '200',
  shared_buffers: '256MB',
  fsync: 'on',
  // Plans of short statements are kept: they must be made for the tables as they are now, and for storage without moving heads.
  random_page_cost: '1.1',
  autovacuum_naptime: '10s',
  autovacuum_analyze_scale_factor: '0.02',
  autovacuum_vacuum_scale_factor: '0.05',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  unix_socket_directories: '',
  logging_collector: 'off',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] %q%a ',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
};

/** Counts what statements cost, where the binaries have the extension; texts of utility statements, which may hold passwords, are left out. */
const statementStatistics = ({ native }: PostgresBinaries): Record<string, string> =>
  hasExtension(native, 'pg_stat_statements')
    ? { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track_utility': 'off' }
    : {};

const hostOfUrl = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' || host.includes(':') ? `[${host === '::' ? '::1' : host}]` : host;

const urlOf = ({ options, password }: Cluster, port: number, database: string): string =>
  `postgres://${SUPERUSER}:${password}@${hostOfUrl(options.host)}:${port}/${database}`;

function launch(cluster: Cluster, port: number, log: LogFile): Running {
  const { options, folder, binaries, owner } = cluster;
  const settings = {
    ...SETTINGS,
    ...statementStatistics(binaries),
    listen_addresses: options.host,
    port: String(port),
    ...options.settings,
  };
  const args = ['-D', folder.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  return spawnGuarded({
    command: binaries.postgres,
    args,
    stop_signal: 'INT',
    log_fd: log.fd,
    cwd: folder.root,
    env: { LC_ALL: 'C' },
    owner,
  });
}

/** What one attempt to connect says: ready, not yet, or never. */
async function probe(url: string): Promise<'ready' | 'starting'> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return 'ready';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== '28P01') return 'starting';
    throw new EngineError(
      'forbidden',
      'the password kept beside the embedded PostgreSQL\'s data does not open it; expected the one it was made with: restore the file "password"',
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Waits while the server replays its log after a crash; only its end is a failure. @returns null when ready, else how it ended */
async function waitUntilReady(running: Running, url: string, report: (line: string) => void): Promise<Exit | null> {
  const since = Date.now();
  let ended: Exit | null = null;
  void running.exited.then((exit) => (ended = exit));
  for (let said = 10; ; ) {
    if (ended) return ended;
    if ((await probe(url)) === 'ready') return null;
    if (Date.now() - since > said * 1000) {
      report(`PostgreSQL is not ready after ${said} s: it may be replaying its log`);
      said *= 2;
    }
    await sleep(25);
  }
}

/** What to do about a server that ended while it started: try again elsewhere or later, or give up with its words. */
function judge(tail: string, exit: Exit, log: LogFile): 'next_port' | 'later' {
  if (/could not bind|Address already in use/.test(tail)) return 'next_port';
  if (/pre-existing shared memory|lock file ".*" already exists/.test(tail)) return 'later';
  const words = tail
    .split('\n')
    .filter((line) => /FATAL|PANIC|HINT|DETAIL|error/i.test(line))
    .slice(-3);
  const advice = tail.includes('No space left') ? 'the disk is full: free some and start again' : `see ${log.file}`;
  throw new EngineError(
    'internal',
    `PostgreSQL ended while it started (${exit.signal ?? `code ${exit.code}`}): ${words.join(' | ')}; ${advice}`,
  );
}

async function startCluster(cluster: Cluster): Promise<EmbeddedPostgres> {
  const { options } = cluster;
  let wanted = options.port;
  for (let n = 1; n <= STARTS; n += 1) {
    const port = await freePort(options.host, wanted);
    const log = openLogFile(path.join(options.data_dir, 'logs'), 'postgres');
    const running = launch(cluster, port, log);
    const ended = await waitUntilReady(running, urlOf(cluster, port, 'postgres'), options.report ?? (() => undefined)).catch(
      async (error) => {
        await running.stop();
        throw error;
      },
    );
    if (ended === null) return await finish(cluster, { port, running, log });
    const next = judge(log.tail(), ended, log);
    log.close();
    if (next === 'later') await sleep(1000);
    else wanted = port + 1;
  }
  throw new EngineError(
    'unavailable',
    `PostgreSQL did not start in ${STARTS} attempts; expected a free port from ${options.port} and no other server on ${cluster.folder.data}`,
  );
}

type Launched = { port: number; running: Running; log: LogFile };

async function inDatabase(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await work(client).finally(() => client.end());
}

/** The extension has a schema of its own, so that `public` holds our tables only. */
async function finish(cluster: Cluster, { port, running, log }: Launched): Promise<EmbeddedPostgres> {
  await inDatabase(urlOf(cluster, port, 'postgres'), async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (!rowCount) await client.query(`CREATE DATABASE ${DATABASE}`);
  });
  if (hasExtension(cluster.binaries.native, 'pg_stat_statements')) {
    await inDatabase(urlOf(cluster, port, DATABASE), (client) =>
      client.query('create schema if not exists monitoring; create extension if not exists pg_stat_statements schema monitoring'),
    );
  }
  void running.exited.then(() => log.close());
  return { ...running, url: urlOf(cluster, port, DATABASE), port };
}

/**
 * Starts PostgreSQL 18 on `<data_dir>/postgres`, made at first. A server that a killed earlier run left on the same data is stopped cleanly
 * before; after a crash its log is replayed and waited for.
 * @throws EngineError unavailable, conflict, forbidden, internal: says what to do
 */
export async function startEmbeddedPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const report = options.report ?? (() => undefined);
  const owner = postgresOwner();
  const folder = await prepareFolder(options.data_dir, owner, report);
  const binaries = await findPostgres(owner, OUTSIDE);
  await endPostmaster({ folder, binaries, owner, report });
  const password = await ensureCluster(folder, binaries, owner);
  await writeFile(path.join(folder.data, 'pg_hba.conf'), 'host all all all scram-sha-256\n');
  return await startCluster({ options, folder, binaries, owner, password });
}
