import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { EngineError } from '../core/errors.ts';
import { WAVE_MOST } from '../core/waves.ts';
import { type Exit, type Running, spawnGuarded } from './guarded-process.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { endOrphan, readQuietly } from './pid-file.ts';
import { freePort } from './ports.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { findTemporal } from './temporal-binary.ts';

/** `port`, `ui_port`: where to look for free ones from; a null `ui_port` starts no UI. */
export type TemporalOptions = {
  data_dir: string;
  host: string;
  port: number;
  ui_port: number | null;
  namespace: string;
  report?: (line: string) => void;
};

/** A server that answers and knows our search attributes. `ui_url` is null without UI. */
export type TemporalServer = Running & { address: string; ui_url: string | null };

type Ports = { port: number; ui_port: number | null };

const READY_MS = 60_000;
const STARTS = 5;
const localOf = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host);

/** Bytes of one value of a search attribute: the uuids of the largest wave, each with its quotes and comma. */
const ATTRIBUTE_BYTES = 41 * WAVE_MOST;

/** One task-queue partition keeps order and priority exact; WAL with synchronous=1 survives a killed process and doubles throughput. */
function argumentsFor(options: TemporalOptions, { port, ui_port }: Ports): string[] {
  const pragmas = ['journal_mode=wal', 'synchronous=1'].flatMap((pragma) => ['--sqlite-pragma', pragma]);
  const dynamic = [
    'matching.numTaskqueueReadPartitions=1',
    'matching.numTaskqueueWritePartitions=1',
    'matching.enableFairness=true',
    `frontend.searchAttributesSizeOfValueLimit=${ATTRIBUTE_BYTES}`,
  ];
  return [
    ...['server', 'start-dev', '--ip', options.host, '--port', String(port), '--namespace', options.namespace],
    ...(ui_port === null ? ['--headless'] : ['--ui-port', String(ui_port)]),
    ...['--db-filename', path.join(options.data_dir, 'temporal.db'), '--log-level', 'warn', '--log-format', 'json'],
    ...pragmas,
    ...dynamic.flatMap((value) => ['--dynamic-config-value', value]),
  ];
}

async function choosePorts(options: TemporalOptions): Promise<Ports> {
  const port = await freePort(options.host, options.port);
  const ui_port = options.ui_port === null ? null : await freePort(options.host, options.ui_port, new Set([port]));
  return { port, ui_port };
}

/** Asks once: the namespace is there, and so are the search attributes afterwards. */
async function prepare(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 2000 });
  try {
    await connection.workflowService.describeNamespace({ namespace });
    await ensureSearchAttributes(connection, namespace);
  } finally {
    await connection.close();
  }
}

/** @returns null when it serves, else how it ended */
async function waitUntilServing(running: Running, address: string, namespace: string): Promise<Exit | null> {
  const until = Date.now() + READY_MS;
  let ended: Exit | null = null;
  void running.exited.then((exit) => (ended = exit));
  for (;;) {
    if (ended) return ended;
    const problem = await prepare(address, namespace).then(
      () => null,
      (error: unknown) => error,
    );
    if (problem === null) return null;
    if (Date.now() > until)
      throw new EngineError('timeout', `Temporal at ${address} does not serve after ${READY_MS / 1000} s`, { cause: problem });
    await sleep(50);
  }
}

/** Why a server ended, from its log: the errors, because a crash prints its stack after them; without any, the last lines. */
export function lastWords(log: string): string {
  const lines = log.trim().split('\n');
  const errors = lines.filter((line) => /"level":"(ERROR|FATAL)"|^(panic|fatal error|error):/i.test(line));
  return (errors.length > 0 ? errors.slice(0, 3) : lines.slice(-3)).map((line) => line.slice(0, 400)).join(' | ');
}

async function attempt(command: string, options: TemporalOptions): Promise<TemporalServer | string> {
  const { port, ui_port } = await choosePorts(options);
  const log: LogFile = openLogFile(path.join(options.data_dir, 'logs'), 'temporal');
  const pid_file = path.join(options.data_dir, 'temporal.pid');
  const running = spawnGuarded({
    command,
    args: argumentsFor(options, { port, ui_port }),
    stop_signal: 'TERM',
    log_fd: log.fd,
    cwd: options.data_dir,
    env: ENVIRONMENT,
    owner: null,
    pid_file,
  });
  const address = `${localOf(options.host)}:${port}`;
  void running.exited.then(() => rmSync(pid_file, { force: true }));
  const ended = await waitUntilServing(running, address, options.namespace).catch(async (error) => {
    await running.stop();
    throw error;
  });
  const words = lastWords(log.tail());
  void running.exited.then(() => log.close());
  if (ended) return `${ended.signal ?? `code ${ended.code}`}: ${words}; see ${log.file}`;
  return { ...running, address, ui_url: ui_port === null ? null : `http://${localOf(options.host)}:${ui_port}` };
}

/** Fewer garbage collections for some memory, measured to pay. */
const ENVIRONMENT = { HOME: '/', GOGC: '800' };

/**
 * Starts the Temporal server on `<data_dir>/temporal.db`. One that a killed earlier run left on that file is ended before.
 * @throws EngineError unavailable: no binary, or it does not start; timeout
 */
export async function startTemporalServer(options: TemporalOptions): Promise<TemporalServer> {
  const report = options.report ?? (() => undefined);
  await mkdir(options.data_dir, { recursive: true, mode: 0o711 });
  const command = await findTemporal(options.data_dir, report);
  const left = Number(readQuietly(path.join(options.data_dir, 'temporal.pid')));
  if (await endOrphan(left, path.join(options.data_dir, 'temporal.db')))
    report(`ended the Temporal server that an earlier run left (pid ${left})`);
  let why = '';
  for (let n = 1; n <= STARTS; n += 1) {
    const server = await attempt(command, options);
    if (typeof server !== 'string') return server;
    why = server;
    if (!/address already in use|can't (bind|listen)|port/i.test(why)) break;
  }
  throw new EngineError('unavailable', `Temporal ended while it started (${why})`);
}
