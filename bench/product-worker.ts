import { loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { createEngines } from '../engines/index.ts';
import { startWorker } from '../worker/start-worker.ts';
import { withEmptyEngine } from './empty-engine.ts';
import { serve } from './remote.ts';
import type { ProductOptions } from './sides.ts';

const ID = 'bench';

/** The worker with its dispatcher, as `worker/main.ts` starts it, with the empty engine besides the product's. */
async function open({ env }: ProductOptions) {
  const config = loadConfig(env);
  const worker = await startWorker({
    config,
    id: ID,
    database_url: config.DATABASE_URL ?? '',
    temporal_address: config.TEMPORAL_ADDRESS ?? '',
    engines: withEmptyEngine(createEngines(config, ID)),
    version: 'bench',
    logger: createLogger(config, 'worker'),
  });
  return { methods: {}, close: () => worker.stop() };
}

await serve(open);
