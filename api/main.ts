import { once } from 'node:events';
import { loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { resolveEndpoints } from '../platform/connect.ts';
import { runEntry } from '../platform/run-entry.ts';
import { startApi } from './start-api.ts';

/** The API as a process of its own, until SIGTERM or SIGINT. */
await runEntry(async () => {
  const config = loadConfig();
  const logger = createLogger(config, 'api');
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const api = await startApi({ config, endpoints: await resolveEndpoints(config), logger });
  await stopped;
  logger.info('api stopping');
  await api.stop();
  logger.info('api stopped');
});
