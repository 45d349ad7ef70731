import { existsSync } from 'node:fs';
import { type Config, loadConfig } from '../config/env.ts';
import { createLogger } from '../config/logger.ts';
import { WAVE_MOST } from '../core/waves.ts';
import type { Connections } from './connect.ts';
import { allOrFirstFailure, bringServers, type Report } from './embedded-servers.ts';
import { type Endpoints, removeEndpoints, writeEndpoints } from './endpoints.ts';
import { freePort } from './ports.ts';
import { keyFile, prepareDatabase } from './prepare-database.ts';
import { Supervisor, untilSignal } from './process-supervisor.ts';
import { apiPart, workerPart } from './program-parts.ts';
import { runEntry } from './run-entry.ts';
import { claimDataFolder } from './run-lock.ts';

/** The processes of our own, each with the addresses that were found. */
async function keepPrograms(supervisor: Supervisor, config: Config, connections: Connections): Promise<Endpoints> {
  const port = await freePort(config.HOST, config.API_PORT);
  const env = {
    DATA_DIR: config.DATA_DIR,
    DATABASE_URL: connections.database_url,
    TEMPORAL_ADDRESS: connections.temporal_address,
    ...(connections.temporal_ui && { TEMPORAL_UI_URL: connections.temporal_ui }),
    API_PORT: String(port),
    ...(config.TEMPORAL_ADDRESS === undefined && { WAVE_SIZE: String(config.WAVE_SIZE ?? WAVE_MOST) }),
  };
  const api = `http://${config.HOST === '0.0.0.0' ? '127.0.0.1' : config.HOST}:${port}`;
  await allOrFirstFailure([
    supervisor.keep(apiPart(api, env)),
    supervisor.keep(workerPart(connections.database_url, env, config.SHUTDOWN_GRACE_S)),
  ]);
  return {
    api,
    docs: `${api}/api/v1/docs`,
    temporal_ui: connections.temporal_ui,
    temporal_address: connections.temporal_address,
    database_url: connections.database_url,
  };
}

/** What somebody needs who sees the system for the first time. */
function announce(config: Config, endpoints: Endpoints): void {
  const task = `{"template":"shell","parameters":{"argv":["echo","hello"]}}`;
  const lines = [
    '',
    `API            ${endpoints.api}/api/v1`,
    `Documentation  ${endpoints.docs}`,
    `Temporal UI    ${endpoints.temporal_ui ?? `none; set TEMPORAL_UI_URL for links`}`,
    '',
    'Submit a task:',
    `curl -s -X POST ${endpoints.api}/api/v1/tasks -H "Authorization: Bearer $(cat '${keyFile(config)}')" -H 'Content-Type: application/json' -d '${task}'`,
    ...(existsSync(keyFile(config))
      ? []
      : [`(the administrator's key is not in ${keyFile(config)}: this database was set up with another data folder)`]),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Reports each step with the seconds since the start. */
function stopwatch(): Report {
  const since = Date.now();
  return (line) => void process.stdout.write(`[${((Date.now() - since) / 1000).toFixed(1).padStart(5)} s] ${line}\n`);
}

async function bringUp(supervisor: Supervisor, config: Config, report: Report): Promise<void> {
  report(`starting the servers, data in ${config.DATA_DIR}`);
  const connections = await bringServers(supervisor, config, report);
  report(`PostgreSQL ${new URL(connections.database_url).host}, Temporal ${connections.temporal_address}`);
  const admin_key = await prepareDatabase(config, connections.database_url, report);
  if (admin_key) report(`administrator made; API key, shown this once and kept in ${keyFile(config)}: ${admin_key}`);
  report('database ready; starting API and worker');
  const endpoints = await keepPrograms(supervisor, config, connections);
  writeEndpoints(config.DATA_DIR, endpoints);
  report('ready; Ctrl-C stops everything');
  announce(config, endpoints);
}

/** `npm start`: everything on this machine, until a signal. @throws EngineError conflict: the data folder is in use */
async function main(): Promise<void> {
  const config = loadConfig();
  const release = claimDataFolder(config.DATA_DIR, 'npm start');
  const report = stopwatch();
  const supervisor = new Supervisor(createLogger(config, 'supervisor'));
  const signal = untilSignal(() => void supervisor.stop({ hard: true }).finally(() => process.exit(1)));
  try {
    await Promise.race([bringUp(supervisor, config, report), signal]);
    report(`${await signal}: stopping, the worker may finish what it runs (${config.SHUTDOWN_GRACE_S} s); once more: at once`);
  } finally {
    await supervisor.stop();
    removeEndpoints(config.DATA_DIR);
    release();
  }
  process.exit(0);
}

await runEntry(main);
