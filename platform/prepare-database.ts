import os from 'node:os';
import path from 'node:path';
import { seed } from '../commands/seed.ts';
import type { Config } from '../config/env.ts';
import { createEngines } from '../engines/index.ts';
import { createOrm } from '../entities/orm.ts';
import type { Report } from './embedded-servers.ts';
import { writePrivate } from './endpoints.ts';
import { migrateUp } from './migrations.ts';

/** Where the first administrator's key is kept. */
export const keyFile = (config: Config): string => path.join(config.DATA_DIR, 'admin.key');

/**
 * Schema, default pool and queues, templates, administrator; all of it only where missing. WORKER_CPU and WORKER_MEMORY_MB: the pool's size.
 * @returns the administrator's key when it was made now and written to `keyFile`; null otherwise
 */
export async function prepareDatabase(config: Config, url: string, report: Report): Promise<string | null> {
  const orm = await createOrm({ url, pool_max: 2, application_name: 'orchestrator prepare' });
  try {
    const { names, dump } = await migrateUp(orm, { dumpTo: path.join(config.DATA_DIR, 'backups') });
    if (dump) report(`database dumped to ${dump} before its upgrade`);
    if (names.length > 0) report(`migrated: ${names.join(', ')}`);
    const size = {
      cpu: config.WORKER_CPU ?? os.availableParallelism(),
      memory_mb: config.WORKER_MEMORY_MB ?? Math.floor((os.totalmem() / 2 ** 20) * 0.8),
    };
    const { admin_key } = await seed(orm.em.fork(), { ...size, engines: createEngines(config) });
    if (admin_key !== null) writePrivate(keyFile(config), admin_key);
    return admin_key;
  } finally {
    await orm.close();
  }
}
