import { parseArgs } from 'node:util';
import { loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { createEngines } from '../engines/index.ts';
import { resolveEndpoints } from '../platform/connect.ts';
import { workerId } from './identity.ts';
import { startWorker } from './start-worker.ts';

/** Time beyond the grace for storing how interrupted work ended; then the process leaves it to the next start. */
const STORE_MS = 20_000;

/** `npm run worker -- --pool <name>`: one worker process, until SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { pool: { type: 'string' } } });
  const env = loadConfig();
  const config = { ...env, POOL: values.pool ?? env.POOL };
  const logger = createLogger(config, 'worker');
  const leaving = new AbortController();
  const { database_url, temporal_address } = await resolveEndpoints(config);
  const id = await workerId(config);
  const engines = createEngines(config, id);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => leaving.abort());
  const worker = await startWorker({
    config,
    id,
    database_url,
    temporal_address,
    engines,
    version: '0.1.0',
    logger,
    signal: leaving.signal,
  });
  logger.info({ worker: id, pool: config.POOL, boot_id: worker.boot_id }, 'worker ready');
  const leave = () => {
    logger.info({ grace_s: config.SHUTDOWN_GRACE_S }, 'worker stopping; a second signal ends it at once');
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));
    setTimeout(() => process.exit(1), config.SHUTDOWN_GRACE_S * 1000 + STORE_MS).unref();
    worker.stop().catch((cause: unknown) => logger.error({ err: cause }, 'worker did not stop cleanly'));
  };
  if (leaving.signal.aborted) leave();
  else leaving.signal.addEventListener('abort', leave, { once: true });
  await worker.closed;
  logger.info('worker stopped');
}

await main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`worker: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
