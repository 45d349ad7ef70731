import { NativeConnection, type NativeConnectionOptions, Worker } from '@temporalio/worker';
import { insist } from '../activities/patience.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import { workflowBundle } from '../platform/workflow-bundle.ts';

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
    // Short work is done within a workflow task, which keeps its slot meanwhile.
    maxConcurrentWorkflowTaskExecutions: 200,
    maxConcurrentActivityTaskExecutions: 1_000,
    maxConcurrentLocalActivityExecutions: 1_000,
    workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    maxCachedWorkflows: 1_000,
    workflowThreadPoolSize: 1,
    maxHeartbeatThrottleInterval: '2s',
    defaultHeartbeatThrottleInterval: '2s',
    shutdownGraceTime: shutdown_grace_s * 1000,
  });
}
