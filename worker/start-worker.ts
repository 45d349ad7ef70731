import { randomUUID } from 'node:crypto';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from '../activities/create-activities.ts';
import type { ActivityDeps } from '../activities/deps.ts';
import { Finisher } from '../activities/finisher.ts';
import { insist } from '../activities/patience.ts';
import { sweepEngine } from '../activities/sweep-engine.ts';
import { resolveSecret } from '../commands/resolve-secret.ts';
import { openVault } from '../commands/secrets-vault.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import { type RunningDispatcher, startDispatcher } from '../dispatcher/start-dispatcher.ts';
import type { Engines } from '../engines/define-engine.ts';
import { createListener, createNotifier } from '../entities/notifier.ts';
import { createOrm } from '../entities/orm.ts';
import type { Em } from '../entities/sql.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Presence } from './presence.ts';
import { takeOver } from './take-over.ts';
import { connectTemporal, installRuntime, makeTemporalWorker } from './temporal-worker.ts';

const SWEEP_EVERY_MS = 60_000;

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

/** `closed` resolves when the worker has ended, rejects when it ended by a fault. `stop` lets running work end within the grace time. */
export type RunningWorker = { id: string; boot_id: string; stop(): Promise<void>; closed: Promise<void> };

/** Starts a worker: registers it, takes over what an earlier start left, polls Temporal, and runs a dispatcher beside it unless told not to. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { config, logger, id } = options;
  installRuntime(logger);
  const boot_id = randomUUID();
  const orm = await createOrm({ url: options.database_url, pool_max: config.DB_POOL_MAX, application_name: `orchestrator worker ${id}` });
  const fork = () => orm.em.fork() as Em;
  const connection = await connectTemporal({ ...config, address: options.temporal_address }, logger, options.signal);
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const keeper = new LeaseKeeper({ fork, boot_id, lost_after_s: config.LOST_AFTER_S, logger });
  const parts = new Parts({ options, boot_id, fork, connection, client, keeper });
  const deps = await parts.activityDeps();
  await insist(() => parts.presence.start(), { what: 'register the worker', logger, signal: options.signal });
  await insist(() => takeOver(deps, options.engines.all, client), { what: 'take over', logger, signal: options.signal });
  const worker = await makeTemporalWorker({
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    worker: id,
    activities: createActivities(
      deps,
      options.engines.all.map(({ kind }) => kind),
    ),
    data_dir: config.DATA_DIR,
    shutdown_grace_s: config.SHUTDOWN_GRACE_S,
    logger,
  });
  parts.run(worker, deps);
  const closed = parts.closed(worker).finally(() => orm.close());
  return { id, boot_id, closed, stop: () => parts.stop(closed) };
}

type PartsOptions = {
  options: WorkerOptions;
  boot_id: string;
  fork(): Em;
  connection: NativeConnection;
  client: Client;
  keeper: LeaseKeeper;
};

/** What lives as long as the worker process: presence, leases, notifications, sweeps and the dispatcher; started and stopped in order. */
class Parts {
  readonly presence: Presence;
  private readonly given: PartsOptions;
  private readonly notifier;
  private dispatcher: RunningDispatcher | null = null;
  private worker: Worker | null = null;
  private running: Promise<void> | null = null;
  private ends: (() => Promise<void>)[] = [];
  private leaving = false;

  constructor(given: PartsOptions) {
    this.given = given;
    const { options, boot_id, fork } = given;
    this.notifier = createNotifier({ url: options.database_url, logger: options.logger });
    this.presence = new Presence({
      fork,
      id: options.id,
      boot_id,
      pool: options.config.POOL,
      cpu: options.config.WORKER_CPU ?? null,
      memory_mb: options.config.WORKER_MEMORY_MB ?? null,
      engines: options.engines.all,
      version: options.version,
      lost_after_s: options.config.LOST_AFTER_S,
      on_replaced: () => this.replaced(),
      logger: options.logger,
    });
  }

  async activityDeps(): Promise<ActivityDeps> {
    const { options, boot_id, fork, client, keeper } = this.given;
    const vault = await openVault(options.config);
    const on_finished = () => (this.dispatcher ? this.dispatcher.poke() : this.notifier.notify('dispatch'));
    return {
      fork,
      engineOf: (kind) => options.engines.byKind(kind),
      worker: options.id,
      boot_id,
      data_dir: options.config.DATA_DIR,
      log_cap_bytes: options.config.TASK_LOG_CAP_BYTES,
      leases: keeper,
      finisher: new Finisher({ fork, actor: `worker:${options.id}`, on_finished, logger: options.logger }),
      secret: (request) => resolveSecret(fork(), vault, request),
      workflowIsOpen: (workflow_id, run_id) => isOpen(client, workflow_id, run_id),
      logger: options.logger,
    };
  }

  run(worker: Worker, deps: ActivityDeps): void {
    const { options, keeper } = this.given;
    this.worker = worker;
    this.running = worker.run();
    this.running.catch(() => undefined);
    const listener = createListener({
      url: options.database_url,
      channels: ['cancel'],
      on_notify: () => keeper.poke(),
      logger: options.logger,
    });
    const sweeps = setInterval(() => void this.sweep(deps), SWEEP_EVERY_MS);
    this.ends.push(
      async () => clearInterval(sweeps),
      () => listener.stop(),
    );
    if (!options.config.WORKER_DISPATCHER) return;
    this.dispatcher = startDispatcher({ ...this.given, ...options, local_worker: options.id });
  }

  /** Ends when the Temporal worker has, cleanly or not; then everything else is stopped. */
  async closed(_worker: Worker): Promise<void> {
    try {
      await this.running;
    } finally {
      await this.dispatcher?.stop();
      this.given.keeper.stop();
      await this.presence.stop();
      for (const end of this.ends) await end();
      await this.notifier.stop();
      await this.given.connection.close().catch(() => undefined);
    }
  }

  async stop(closed: Promise<void>): Promise<void> {
    if (!this.leaving) {
      this.leaving = true;
      await this.dispatcher?.stop();
      await this.presence.leave();
      this.shutDown();
    }
    await closed;
  }

  /** A later start owns the id: what can go on goes on there, the rest is stopped here, and this process ends. */
  private replaced(): void {
    this.given.options.logger.error({ worker: this.given.options.id }, 'another process was started with this worker id; this one stops');
    this.leaving = true;
    void this.dispatcher?.stop();
    this.given.keeper.stopAll('shutdown');
    this.shutDown();
  }

  private shutDown(): void {
    if (this.worker?.getState() === 'RUNNING') this.worker.shutdown();
  }

  private async sweep(deps: ActivityDeps): Promise<void> {
    for (const engine of this.given.options.engines.all) {
      await sweepEngine(deps, engine).catch((cause: unknown) => deps.logger.warn({ err: cause, engine: engine.kind }, 'sweep failed'));
    }
  }
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
