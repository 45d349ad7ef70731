import { createApp } from '../api/create-app.ts';
import { listen } from '../api/http-server.ts';
import { createFolderStore } from '../artifacts/folder-store.ts';
import { DetectionIntake } from '../commands/detection-intake.ts';
import { openVault } from '../commands/secrets-vault.ts';
import { loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { createEngines } from '../engines/index.ts';
import { createNotifier } from '../entities/notifier.ts';
import { createOrm } from '../entities/orm.ts';
import { withEmptyEngine } from './empty-engine.ts';
import { serve } from './remote.ts';
import type { ProductOptions } from './sides.ts';

/** The API as `api/start-api.ts` makes it, with the empty engine besides the product's. */
async function open({ env }: ProductOptions) {
  const config = loadConfig(env);
  const logger = createLogger(config, 'api');
  const url = config.DATABASE_URL ?? '';
  const orm = await createOrm({ url, pool_max: config.DB_POOL_MAX, application_name: 'orchestrator api' });
  const notifier = createNotifier({ url, logger });
  const stopping = new AbortController();
  const detections = new DetectionIntake({ fork: () => orm.em.fork(), logger, max_weight: config.DETECTION_QUEUE_MB * 2 ** 20 });
  const app = createApp({
    orm,
    config,
    engines: withEmptyEngine(createEngines(config)),
    vault: await openVault(config),
    artifacts: createFolderStore(config.ARTIFACTS_DIR),
    detections,
    logger,
    notify: (channel) => notifier.notify(channel),
    stopping: stopping.signal,
    temporal_address: config.TEMPORAL_ADDRESS ?? null,
  });
  const server = await listen(app, { host: config.HOST, port: config.API_PORT });
  const close = async () => {
    stopping.abort();
    await server.stop();
    await detections.stop(5_000);
    await notifier.stop();
    await orm.close(true);
  };
  return { methods: { url: async () => `${server.url}/api/v1/tasks` }, close };
}

export type ProductApiMethods = Awaited<ReturnType<typeof open>>['methods'];

await serve(open);
