import type { Config } from '../config/env.ts';
import { resolveEndpoints } from './connect.ts';
import { embeddedPostgres, type Report } from './embedded-servers.ts';
import { claimDataFolder, dataFolderHolder } from './run-lock.ts';

/** Runs `work` with the embedded server of a data folder that nobody uses, started for the purpose and stopped afterwards. @throws EngineError conflict: in use */
export async function withEmbedded<T>({ config, purpose, report }: Occasion, work: (url: string) => Promise<T>): Promise<T> {
  const release = claimDataFolder(config.DATA_DIR, purpose);
  try {
    const server = await embeddedPostgres(config, report);
    return await work(server.url).finally(() => server.stop());
  } finally {
    release();
  }
}

/** `purpose` is what others are told who want the data folder meanwhile. */
export type Occasion = { config: Config; purpose: string; report: Report };

/** Runs `work` with the configured database: an external one, that of a running `npm start`, or else the embedded one, started for the purpose. */
export async function withDatabase<T>(occasion: Occasion, work: (url: string) => Promise<T>): Promise<T> {
  const { config } = occasion;
  if (config.DATABASE_URL) return await work(config.DATABASE_URL);
  if (dataFolderHolder(config.DATA_DIR) === null) return await withEmbedded(occasion, work);
  const { database_url } = await resolveEndpoints({ ...config, TEMPORAL_ADDRESS: config.TEMPORAL_ADDRESS ?? 'unused:0' });
  return await work(database_url);
}
