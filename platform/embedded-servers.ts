import type { Config } from '../config/env.ts';
import type { Connections } from './connect.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import type { Part, Supervisor } from './process-supervisor.ts';
import { ensureExternalTemporal } from './search-attributes.ts';
import { startTemporalServer } from './temporal-server.ts';

/** Says what a start is doing. */
export type Report = (line: string) => void;

/** The data folder's PostgreSQL, for a program that needs it for its own duration. The caller stops it and holds the folder's lock. */
export const embeddedPostgres = (config: Config, report: Report): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({ data_dir: config.DATA_DIR, host: config.HOST, port: config.POSTGRES_PORT, report });

async function keepPostgres(supervisor: Supervisor, config: Config, report: Report): Promise<string> {
  let [url, port] = ['', config.POSTGRES_PORT];
  const start: Part['start'] = async () => {
    const server = await startEmbeddedPostgres({ data_dir: config.DATA_DIR, host: config.HOST, port, report });
    [url, port] = [server.url, server.port];
    return server;
  };
  await supervisor.keep({ name: 'postgres', stop_limit_ms: 60_000, start });
  return url;
}

async function keepTemporal(supervisor: Supervisor, config: Config, report: Report): Promise<{ address: string; ui_url: string | null }> {
  let found = { address: '', ui_url: null as string | null };
  let ports = { port: config.TEMPORAL_PORT, ui_port: config.TEMPORAL_UI_PORT };
  const start: Part['start'] = async () => {
    const server = await startTemporalServer({
      data_dir: config.DATA_DIR,
      host: config.HOST,
      ...ports,
      namespace: config.TEMPORAL_NAMESPACE,
      report,
    });
    found = { address: server.address, ui_url: server.ui_url };
    ports = { port: portOf(server.address), ui_port: portOf(server.ui_url ?? '') || ports.ui_port };
    return server;
  };
  await supervisor.keep({ name: 'temporal', stop_limit_ms: 20_000, start });
  return found;
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

/** Brings up the embedded servers that the configuration does not replace by external ones; both at once, as neither needs the other. */
export async function bringServers(supervisor: Supervisor, config: Config, report: Report): Promise<Connections> {
  const database = async () => config.DATABASE_URL ?? (await keepPostgres(supervisor, config, report));
  const temporal = async () => {
    if (config.TEMPORAL_ADDRESS === undefined) return await keepTemporal(supervisor, config, report);
    await ensureExternalTemporal(config);
    return { address: config.TEMPORAL_ADDRESS, ui_url: null };
  };
  const [database_url, found] = await allOrFirstFailure([database(), temporal()]);
  return { database_url, temporal_address: found.address, temporal_ui: config.TEMPORAL_UI_URL ?? found.ui_url };
}

/** Like Promise.all, but waits for the others before it throws, so that nothing starts after a failure was handled. */
export async function allOrFirstFailure<A, B>(work: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}
