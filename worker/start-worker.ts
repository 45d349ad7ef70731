import { randomUUID } from 'node:crypto';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { Claimer } from '../activities/claimer.ts';
import { type Activities, createActivities } from '../activities/create-activities.ts';
import type { ActivityDeps } from '../activities/deps.ts';
import { Finisher } from '../activities/finisher.ts';
import { makeLogStore } from '../activities/log-store.ts';
import { insist } from '../activities/patience.ts';
import { createFolderStore } from '../artifacts/folder-store.ts';
import { resolveSecret } from '../commands/resolve-secret.ts';
import { openVault } from '../commands/secrets-vault.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import { type RunningDispatcher, startDispatcher } from '../dispatcher/start-dispatcher.ts';
import type { Engines } from '../engines/define-engine.ts';
import { createDockerClient } from '../engines/docker/client.ts';
import { createNotifier } from '../entities/notifier.ts';
import { createOrm } from '../entities/orm.ts';
import type { Em } from '../entities/sql.ts';
import { installRuntime } from '../platform/temporal-runtime.ts';
import { DockerSync } from './docker-sync.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { LogReader } from './log-reader.ts';
import { Presence } from './presence.ts';
import { RunningWorker } from './running-worker.ts';
import { takeOver } from './take-over.ts';
import { connectTemporal, makeTemporalWorker } from './temporal-worker.ts';

export type WorkerOptions = {
  config: Config;
  id: string;
  database_url: string;
  temporal_address: string;
  engines: Engines;
  version: string;
  logger: Logger;
  /** Aborts waiting for servers that are away at the start. */
  signal?: AbortSignal;
};

/** From so many instances at work on, claims and ends are gathered for a moment. */
const CROWD = 12;

/** What the parts of one worker process share. */
type Shared = WorkerOptions & {
  boot_id: string;
  fork(): Em;
  connection: NativeConnection;
  client: Client;
  keeper: LeaseKeeper;
  /** Wakes the dispatcher: that of this process, or by notification any other. */
  wake(): void;
};

/** Starts a worker: registers it, takes over what an earlier start left, polls Temporal, and runs a dispatcher beside it unless told not to. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { config, logger, id, signal } = options;
  installRuntime(logger);
  const boot_id = randomUUID();
  const slow = { over_ms: config.SLOW_QUERY_MS, logger };
  const database = { url: options.database_url, pool_max: config.DB_POOL_MAX, slow };
  const orm = await createOrm({ ...database, application_name: `orchestrator worker ${id}` });
  const fork = () => orm.em.fork() as Em;
  const connection = await connectTemporal({ ...config, address: options.temporal_address }, logger, signal);
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const keeper = new LeaseKeeper({ fork, boot_id, lost_after_s: config.LOST_AFTER_S, logger });
  const notifier = createNotifier({ url: options.database_url, logger });
  let dispatcher: RunningDispatcher | null = null;
  const wake = () => (dispatcher ? dispatcher.poke() : notifier.notify('dispatch'));
  const shared: Shared = { ...options, boot_id, fork, connection, client, keeper, wake };
  const deps = await activityDeps(shared);
  const presence = makePresence(shared, () => running.replaced());
  const kinds = options.engines.all.map(({ kind }) => kind);
  const work = createActivities(deps, kinds);
  const worker = await insist(() => makeWorker(shared, work), { what: 'make the Temporal worker', logger, signal });
  await insist(() => presence.register(), { what: 'register the worker', logger, signal });
  await insist(() => takeOver(deps, options.engines.all, client), { what: 'take over', logger, signal });
  if (config.WORKER_DISPATCHER)
    dispatcher = startDispatcher({
      ...shared,
      local_worker: { id, begin: (start) => worker.getState() === 'RUNNING' && work.begin(start) },
    });
  const docker = startDocker(shared);
  const ends = [() => docker.stop(), () => notifier.stop(), () => connection.close().catch(() => undefined), () => orm.close()];
  const running = new RunningWorker({
    ...shared,
    engines: options.engines.all,
    shutdown_grace_s: config.SHUTDOWN_GRACE_S,
    deps,
    work,
    presence,
    worker,
    dispatcher,
    ends,
  });
  return running;
}

/** Keeps the rows of this machine's images and containers, and reads logs; nothing happens where there is no Docker Engine. */
function startDocker({ config, fork, id, database_url, logger }: Shared): { stop(): Promise<void> } {
  const client = createDockerClient(config.DOCKER_HOST);
  const reader = new LogReader({
    docker: client.docker,
    fork,
    logger,
    worker: id,
    scope: config.CONTAINER_LOGS,
    segment_days: config.RETENTION_SEGMENT_DAYS,
  });
  const on_serve = (docker_id: string | null) => reader.serve(docker_id);
  const [scope, compare_every_s] = [config.CONTAINER_LOGS, config.DOCKER_COMPARE_EVERY_S];
  const sync = new DockerSync({ client, fork, database_url, scope, compare_every_s, on_serve, logger });
  reader.start();
  sync.start();
  return {
    stop: async () => {
      await sync.stop();
      await reader.stop();
    },
  };
}

async function activityDeps(shared: Shared): Promise<ActivityDeps> {
  const { config, fork, id, boot_id, engines, client, keeper, wake, logger } = shared;
  const vault = await openVault(config);
  const crowded = () => keeper.size >= CROWD;
  return {
    fork,
    engineOf: (kind) => engines.byKind(kind),
    worker: id,
    boot_id,
    data_dir: config.DATA_DIR,
    log_cap_bytes: config.TASK_LOG_CAP_BYTES,
    artifacts: createFolderStore(config.ARTIFACTS_DIR),
    leases: keeper,
    logs: makeLogStore({ fork, logger }),
    claimer: new Claimer({ fork, worker: id, boot_id, crowded }),
    finisher: new Finisher({ fork, actor: `worker:${id}`, crowded, on_finished: wake, logger }),
    secret: (request) => resolveSecret(fork(), vault, request),
    workflowIsOpen: (workflow_id, run_id) => isOpen(client, workflow_id, run_id),
    logger,
  };
}

function makePresence(shared: Shared, on_replaced: () => void): Presence {
  const { config, fork, id, boot_id, engines, version, logger } = shared;
  return new Presence({
    fork,
    id,
    boot_id,
    pool: config.POOL,
    cpu: config.WORKER_CPU ?? null,
    memory_mb: config.WORKER_MEMORY_MB ?? null,
    engines: engines.all,
    version,
    lost_after_s: config.LOST_AFTER_S,
    on_replaced,
    logger,
  });
}

function makeWorker({ connection, config, id, logger }: Shared, { activities }: Activities): Promise<Worker> {
  return makeTemporalWorker({
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    worker: id,
    activities,
    data_dir: config.DATA_DIR,
    shutdown_grace_s: config.SHUTDOWN_GRACE_S,
    logger,
  });
}

async function isOpen(client: Client, workflow_id: string, run_id: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflow_id, run_id).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (cause) {
    if (cause instanceof WorkflowNotFoundError) return false;
    throw cause;
  }
}
