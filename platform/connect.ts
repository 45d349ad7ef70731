import { connect } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { readEndpoints } from './endpoints.ts';

/** What a part needs to work: a database, Temporal and, for links, its UI; null when unknown. */
export type Connections = { database_url: string; temporal_address: string; temporal_ui: string | null };

type Settings = Pick<Config, 'DATA_DIR' | 'DATABASE_URL' | 'TEMPORAL_ADDRESS' | 'TEMPORAL_UI_URL'>;

/** Whether PostgreSQL answers there and accepts the password. */
async function databaseAnswers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  const ok = await client.connect().then(
    () => true,
    () => false,
  );
  await client.end().catch(() => undefined);
  return ok;
}

/** Whether anything listens on host:port. */
function listens(address: string): Promise<boolean> {
  const at = address.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), timeout: 5000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket
      .once('connect', () => end(true))
      .once('error', () => end(false))
      .once('timeout', () => end(false));
  });
}

const missing = (config: Settings, variable: string, problem: string): EngineError =>
  new EngineError('unavailable', `${problem}; expected a running system in ${config.DATA_DIR}: run "npm start", or set ${variable}`);

async function databaseUrl(config: Settings): Promise<string> {
  if (config.DATABASE_URL) return config.DATABASE_URL;
  const url = readEndpoints(config.DATA_DIR)?.database_url;
  if (url && (await databaseAnswers(url))) return url;
  throw missing(
    config,
    'DATABASE_URL',
    url ? 'the embedded PostgreSQL of the last start does not answer' : `no ${path.join(config.DATA_DIR, 'endpoints.json')}`,
  );
}

async function temporalAddress(config: Settings): Promise<string> {
  if (config.TEMPORAL_ADDRESS) return config.TEMPORAL_ADDRESS;
  const address = readEndpoints(config.DATA_DIR)?.temporal_address;
  if (address && (await listens(address))) return address;
  throw missing(
    config,
    'TEMPORAL_ADDRESS',
    address
      ? `the embedded Temporal of the last start does not answer at ${address}`
      : `no ${path.join(config.DATA_DIR, 'endpoints.json')}`,
  );
}

/**
 * Where the servers are, for a part that runs apart from `npm start`: from the configuration, else those of a running `npm start` on the same data folder.
 * @throws EngineError unavailable: says what to start or set
 */
export async function resolveEndpoints(config: Settings): Promise<Connections> {
  const [database_url, temporal_address] = await Promise.all([databaseUrl(config), temporalAddress(config)]);
  return { database_url, temporal_address, temporal_ui: config.TEMPORAL_UI_URL ?? readEndpoints(config.DATA_DIR)?.temporal_ui ?? null };
}
