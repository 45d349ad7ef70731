import { setTimeout as pause } from 'node:timers/promises';
import { NativeConnection, Worker } from '@temporalio/worker';
import { ORCHESTRATOR_QUEUE } from '../core/workflow-contract.ts';
import { workflowBundle } from '../platform/workflow-bundle.ts';
import type { DispatcherDeps } from './deps.ts';
import { createFireSchedule } from './fire-schedule.ts';
import { createSlaActivities } from './sla-activities.ts';

const AGAIN_MS = 3_000;
/** Each holds a database connection; a process has 10 by default. */
const ACTIVITIES = 3;

/** Whom to wake when a schedule has submitted something, and when an action of a breach took effect. */
type Pokes = { fired(): void; acted(): void };

/**
 * Polls the task queue of workflows that belong to no instance. Every dispatcher process has one, so they do not die with the workers that
 * they watch. While Temporal is away it is tried again and again; nothing depends on it but promptness.
 */
export class OrchestratorWorker {
  private readonly deps: DispatcherDeps;
  private readonly pokes: Pokes;
  private readonly stopping = new AbortController();
  private worker: Worker | null = null;
  private running: Promise<void> | null = null;

  constructor(deps: DispatcherDeps, pokes: Pokes) {
    this.deps = deps;
    this.pokes = pokes;
  }

  /** Whether workflows on this queue are carried out here. */
  get polls(): boolean {
    return this.worker?.getState() === 'RUNNING';
  }

  start(): void {
    this.running = this.keepRunning();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.polls) this.worker?.shutdown();
    await this.running;
  }

  private async keepRunning(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.session().catch((cause: unknown) =>
        this.deps.logger.debug({ err: cause }, 'orchestrator queue is not polled; tried again'),
      );
      await pause(AGAIN_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async session(): Promise<void> {
    const { config, temporal_address } = this.deps;
    const connection = await NativeConnection.connect({
      address: temporal_address,
      ...(config.TEMPORAL_TLS ? { tls: true } : {}),
      ...(config.TEMPORAL_API_KEY ? { apiKey: config.TEMPORAL_API_KEY } : {}),
    });
    try {
      this.worker = await this.make(connection);
      const running = this.worker.run();
      // One that was made, but never ran, could not be closed.
      if (this.stopping.signal.aborted) this.worker.shutdown();
      await running;
    } finally {
      this.worker = null;
      await connection.close().catch(() => undefined);
    }
  }

  private async make(connection: NativeConnection): Promise<Worker> {
    const { config, logger } = this.deps;
    return await Worker.create({
      connection,
      namespace: config.TEMPORAL_NAMESPACE,
      taskQueue: ORCHESTRATOR_QUEUE,
      identity: `orchestrator pid ${process.pid}`,
      buildId: '',
      workflowBundle: await workflowBundle(config.DATA_DIR, logger),
      activities: {
        fireSchedule: createFireSchedule(this.deps, this.pokes.fired),
        ...createSlaActivities(this.deps, this.pokes.acted),
      },
      maxConcurrentWorkflowTaskExecutions: 20,
      maxConcurrentActivityTaskExecutions: ACTIVITIES,
      maxConcurrentLocalActivityExecutions: ACTIVITIES,
      workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 2 },
      activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 2 },
      maxCachedWorkflows: 100,
      workflowThreadPoolSize: 1,
      shutdownGraceTime: 2_000,
    });
  }
}
