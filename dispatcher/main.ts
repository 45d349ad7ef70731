import { Client, Connection } from '@temporalio/client';
import { loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { createOrm } from '../entities/orm.ts';
import type { Em } from '../entities/sql.ts';
import { resolveEndpoints } from '../platform/connect.ts';
import { startDispatcher } from './start-dispatcher.ts';

/** `npm run dispatcher`: a dispatcher and its reconciler without a worker, until SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger(config, 'dispatcher');
  const { database_url, temporal_address } = await resolveEndpoints(config);
  const slow = { over_ms: config.SLOW_QUERY_MS, logger };
  const orm = await createOrm({ url: database_url, pool_max: config.DB_POOL_MAX, application_name: 'orchestrator dispatcher', slow });
  const connection = Connection.lazy({
    address: temporal_address,
    ...(config.TEMPORAL_TLS ? { tls: true } : {}),
    ...(config.TEMPORAL_API_KEY ? { apiKey: config.TEMPORAL_API_KEY } : {}),
  });
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const fork = () => orm.em.fork() as Em;
  const dispatcher = startDispatcher({ fork, database_url, client, local_worker: null, config, logger });
  logger.info('dispatcher ready');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
  await dispatcher.stop();
  await connection.close();
  await orm.close();
  logger.info('dispatcher stopped');
}

await main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`dispatcher: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
