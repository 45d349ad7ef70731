import { createFolderStore } from '../artifacts/folder-store.ts';
import { DetectionIntake } from '../commands/detection-intake.ts';
import { openVault } from '../commands/secrets-vault.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import { createEngines } from '../engines/index.ts';
import { createNotifier } from '../entities/notifier.ts';
import { createOrm } from '../entities/orm.ts';
import { createApp } from './create-app.ts';
import { listen } from './http-server.ts';

/** Where the servers are that the API uses. */
type Endpoints = { database_url: string; temporal_address: string | null };

/** How long detections that wait may still be stored when the process stops. */
const FLUSH_MS = 5_000;

/** A running API; `stop` ends event streams, lets requests finish and closes the database connections. */
export type Api = { url: string; stop(): Promise<void> };

export type ApiOptions = { config: Config; endpoints: Endpoints; logger: Logger };

/** Opens the database, builds the application and listens. */
export async function startApi({ config, endpoints, logger }: ApiOptions): Promise<Api> {
  const vault = await openVault(config);
  const slow = { over_ms: config.SLOW_QUERY_MS, logger };
  const orm = await createOrm({ url: endpoints.database_url, pool_max: config.DB_POOL_MAX, application_name: 'orchestrator api', slow });
  const notifier = createNotifier({ url: endpoints.database_url, logger });
  const stopping = new AbortController();
  const detections = new DetectionIntake({ fork: () => orm.em.fork(), logger, max_weight: config.DETECTION_QUEUE_MB * 2 ** 20 });
  const app = createApp({
    orm,
    config,
    engines: createEngines(config),
    vault,
    artifacts: createFolderStore(config.ARTIFACTS_DIR),
    detections,
    logger,
    notify: (channel) => notifier.notify(channel),
    stopping: stopping.signal,
    temporal_address: endpoints.temporal_address,
  });
  const release = async () => {
    await detections.stop(FLUSH_MS);
    await notifier.stop();
    await orm.close(true);
  };
  const server = await listen(app, { host: config.HOST, port: config.API_PORT }).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  logger.info({ url: server.url, docs: `${server.url}/api/v1/docs` }, 'api ready');
  return {
    url: server.url,
    stop: async () => {
      stopping.abort();
      await server.stop();
      await release();
    },
  };
}
