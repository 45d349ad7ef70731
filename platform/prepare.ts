import { loadConfig } from '../config/env.ts';
import { resolveEndpoints } from './connect.ts';
import { keyFile, prepareDatabase } from './prepare-database.ts';
import { runEntry } from './run-entry.ts';
import { ensureExternalTemporal } from './search-attributes.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * `npm run prepare-servers`: makes an external database and an external Temporal ready for the parts that run apart from `npm start`: schema,
 * default pool, queues and templates, administrator, search attributes. Repeating it changes nothing that is there.
 */
await runEntry(async () => {
  const config = loadConfig();
  const { database_url, temporal_address } = await resolveEndpoints(config);
  const admin_key = await prepareDatabase(config, database_url, say);
  if (admin_key) say(`administrator made; API key in ${keyFile(config)}`);
  await ensureExternalTemporal({ ...config, TEMPORAL_ADDRESS: temporal_address });
  say(`ready: schema up to date, search attributes known to Temporal at ${temporal_address}`);
});
