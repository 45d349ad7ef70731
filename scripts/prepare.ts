import os from 'node:os';
import path from 'node:path';
import { seed } from '../commands/seed.ts';
import { type Config, loadConfig } from '../config/env.ts';
import { createEngines } from '../engines/index.ts';
import { createOrm } from '../entities/orm.ts';
import { resolveEndpoints } from '../platform/connect.ts';
import { writePrivate } from '../platform/endpoints.ts';
import { migrateUp } from '../platform/migrations.ts';
import { runEntry } from '../platform/run-entry.ts';
import { ensureExternalTemporal } from '../platform/search-attributes.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function prepareDatabase(config: Config, url: string): Promise<void> {
  const orm = await createOrm({ url, pool_max: 2, application_name: 'orchestrator prepare' });
  try {
    const { names, dump } = await migrateUp(orm, { dumpTo: path.join(config.DATA_DIR, 'backups') });
    if (dump) say(`dumped to ${dump}`);
    say(names.length > 0 ? `migrated: ${names.join(', ')}` : 'schema up to date');
    const { WORKER_CPU: cpu = os.availableParallelism(), WORKER_MEMORY_MB: memory_mb = Math.floor((os.totalmem() / 2 ** 20) * 0.8) } =
      config;
    const { admin_key } = await seed(orm.em.fork(), { cpu, memory_mb, engines: createEngines(config) });
    if (admin_key === null) return;
    const file = path.join(config.DATA_DIR, 'admin.key');
    writePrivate(file, admin_key);
    say(`administrator made; API key in ${file}`);
  } finally {
    await orm.close();
  }
}

/**
 * Makes an external database and an external Temporal ready for the parts that run apart from `npm start`: schema, default pool, queues and
 * templates, administrator, search attributes. Repeating it changes nothing that is there. WORKER_CPU and WORKER_MEMORY_MB: the pool's size.
 */
await runEntry(async () => {
  const config = loadConfig();
  const { database_url, temporal_address } = await resolveEndpoints(config);
  await prepareDatabase(config, database_url);
  await ensureExternalTemporal({ ...config, TEMPORAL_ADDRESS: temporal_address });
  say(`search attributes known to Temporal at ${temporal_address}`);
});
