import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  type NativeConnectionOptions,
  Runtime,
  Worker,
} from '@temporalio/worker';
import { insist } from '../activities/patience.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** What the SDK warns of although it is everyday business here: a task that failed. */
const ORDINARY = new Set(['Workflow failed']);
const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/**
 * Makes the SDK speak through the process's own logger. Once a process, before the first connection. Its native part warns about every single
 * call while Temporal is away, dozens a second, so it is heard only about errors; the dispatcher says once when Temporal goes and comes back.
 */
export function installRuntime(logger: Logger): void {
  const sink = logger.child({ component: 'temporal-sdk' });
  const speak = new DefaultLogger('WARN', ({ level, message, meta }) =>
    sink[ORDINARY.has(message) ? 'debug' : LEVELS[level]]({ ...meta }, message),
  );
  const logging = { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} };
  try {
    Runtime.install({ logger: speak, shutdownSignals: [], telemetryOptions: { logging } });
  } catch {
    // Installed already: tests start several workers in one process.
  }
}

export type TemporalSettings = Pick<Config, 'TEMPORAL_NAMESPACE' | 'TEMPORAL_API_KEY' | 'TEMPORAL_TLS'> & { address: string };

const isLoopback = (address: string): boolean => /^(127\.|localhost[:]|\[::1\])/.test(address);

/** Connects, waiting for as long as Temporal is away or until `signal` is aborted. */
export async function connectTemporal(settings: TemporalSettings, logger: Logger, signal?: AbortSignal): Promise<NativeConnection> {
  const options: NativeConnectionOptions = { address: settings.address };
  if (settings.TEMPORAL_TLS) options.tls = true;
  if (settings.TEMPORAL_API_KEY) options.apiKey = settings.TEMPORAL_API_KEY;
  if (isLoopback(settings.address)) options.grpcCompression = { codec: 'none' };
  return await insist(() => NativeConnection.connect(options), { what: `connect to Temporal at ${settings.address}`, logger, signal });
}

type Making = {
  connection: NativeConnection;
  namespace: string;
  worker: string;
  activities: object;
  data_dir: string;
  shutdown_grace_s: number;
  logger: Logger;
};

/**
 * The Temporal worker of one task queue. Admission bounds what runs, so the slots are only a last wall. Without a build id the server
 * spares each workflow one upsert of search attributes.
 */
export async function makeTemporalWorker({
  connection,
  namespace,
  worker,
  activities,
  data_dir,
  shutdown_grace_s,
  logger,
}: Making): Promise<Worker> {
  return await Worker.create({
    connection,
    namespace,
    taskQueue: `worker-${worker}`,
    identity: `worker ${worker} pid ${process.pid}`,
    buildId: '',
    workflowBundle: await workflowBundle(data_dir, logger),
    activities,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 1_000,
    workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    maxCachedWorkflows: 1_000,
    workflowThreadPoolSize: 1,
    maxHeartbeatThrottleInterval: '2s',
    defaultHeartbeatThrottleInterval: '2s',
    shutdownGraceTime: shutdown_grace_s * 1000,
  });
}
