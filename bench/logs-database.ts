import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createOrm } from '../entities/orm.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { migrateUp } from '../platform/migrations.ts';

/** A PostgreSQL of this run alone, with the product's settings and schema. */
export async function createBenchServers(): Promise<{ url: string; stop(): Promise<void> }> {
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-bench-'));
  await chmod(data_dir, 0o711);
  const postgres = await startEmbeddedPostgres({ data_dir, host: '127.0.0.1', port: 0, report: () => undefined });
  const orm = await createOrm({ url: postgres.url, pool_max: 2 });
  await migrateUp(orm, { dumpTo: null });
  await orm.close(true);
  const stop = async () => {
    await postgres.stop();
    await rm(data_dir, { recursive: true, force: true });
  };
  return { url: postgres.url, stop };
}
