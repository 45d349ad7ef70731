import { chmod, mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createOrm } from '../../entities/orm.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { migrateUp } from '../../platform/migrations.ts';
import { startTemporalServer, type TemporalServer } from '../../platform/temporal-server.ts';
import { announceServers } from './test-servers.ts';

/** What the teardown stops; jest runs both in one process. */
type Started = { data_dir: string; postgres: EmbeddedPostgres; temporal: TemporalServer };
declare global {
  var orchestratorTestServers: Started | undefined;
}

/** Nothing of a test run must survive a power cut. */
const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

async function startPostgres(data_dir: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ data_dir, host: '127.0.0.1', port: 0, settings: SETTINGS });
  const orm = await createOrm({ url: postgres.url, pool_max: 2 });
  await migrateUp(orm, { dumpTo: null });
  await orm.close(true);
  return postgres;
}

/** Starts the real servers once for all test files: a migrated PostgreSQL to copy databases from, and Temporal. */
export default async function globalSetup(): Promise<void> {
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-test-'));
  await chmod(data_dir, 0o711);
  const report = (line: string) => void process.stderr.write(`${line}\n`);
  const [postgres, temporal] = await Promise.all([
    startPostgres(data_dir),
    startTemporalServer({ data_dir, host: '127.0.0.1', port: 0, ui_port: null, namespace: 'default', report }),
  ]);
  globalThis.orchestratorTestServers = { data_dir, postgres, temporal };
  announceServers({ postgres_url: postgres.url, temporal_address: temporal.address, data_dir });
}
