import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { seed } from '../commands/seed.ts';
import { loadConfig } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { createEngines } from '../engines/index.ts';
import { createOrm } from '../entities/orm.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { migrateUp } from '../platform/migrations.ts';
import { startTemporalServer } from '../platform/temporal-server.ts';
import { withEmptyEngine } from './empty-engine.ts';

/** Servers of this run alone, with the product's settings and an installed database. `key`: the administrator's. */
export type Servers = {
  data_dir: string;
  database_url: string;
  temporal_address: string;
  namespace: string;
  key: string;
  stop(): Promise<void>;
};

/** Tasks sent to this queue wait for ever, so that submitting is measured without what follows it. */
export const HELD_QUEUE = 'bench-held';

/** A queue with a single place: each end lets the next task start. */
export const SINGLE_QUEUE = 'bench-single';

const NAMESPACE = 'default';
const HOST = '127.0.0.1';

/** Schema, pool, queues, templates and administrator as `npm start` makes them. @returns the administrator's key */
export async function install(database_url: string): Promise<string> {
  const orm = await createOrm({ url: database_url, pool_max: 2 });
  try {
    await migrateUp(orm, { dumpTo: null });
    const engines = withEmptyEngine(createEngines(loadConfig({})));
    const memory_mb = Math.floor((os.totalmem() / 2 ** 20) * 0.8);
    const { admin_key } = await seed(orm.em.fork(), { cpu: os.availableParallelism(), memory_mb, engines });
    if (!admin_key) throw new EngineError('internal', 'the fresh database of the benchmark has an administrator already');
    return admin_key;
  } finally {
    await orm.close(true);
  }
}

async function addQueues(database_url: string): Promise<void> {
  const client = new pg.Client({ connectionString: database_url });
  await client.connect();
  await client
    .query(`insert into queues (name, capacity, pool, status) values ($1, 100, 'default', 'hold'), ($2, 1, 'default', 'active')`, [
      HELD_QUEUE,
      SINGLE_QUEUE,
    ])
    .finally(() => client.end());
}

/** Starts PostgreSQL and Temporal in a new temporary folder. `settings`: of PostgreSQL, on top of the product's. */
export async function startServers(report: (line: string) => void, settings: Record<string, string>): Promise<Servers> {
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-bench-'));
  await chmod(data_dir, 0o711);
  const [postgres, temporal] = await Promise.all([
    startEmbeddedPostgres({ data_dir, host: HOST, port: 0, settings, report }),
    startTemporalServer({ data_dir, host: HOST, port: 0, ui_port: null, namespace: NAMESPACE, report }),
  ]);
  const stop = async () => {
    await Promise.all([postgres.stop(), temporal.stop()]);
    await rm(data_dir, { recursive: true, force: true });
  };
  const ready = async () => {
    const key = await install(postgres.url);
    await addQueues(postgres.url);
    return key;
  };
  const key = await ready().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { data_dir, database_url: postgres.url, temporal_address: temporal.address, namespace: NAMESPACE, key, stop };
}
