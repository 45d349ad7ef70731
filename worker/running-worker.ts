import { setTimeout as pause } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import type { Activities } from '../activities/create-activities.ts';
import type { ActivityDeps } from '../activities/deps.ts';
import { sweepEngine } from '../activities/sweep-engine.ts';
import type { Logger } from '../config/logger.ts';
import type { RunningDispatcher } from '../dispatcher/start-dispatcher.ts';
import type { Engine } from '../engines/define-engine.ts';
import { createListener } from '../entities/notifier.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { Presence } from './presence.ts';

const SWEEP_EVERY_MS = 60_000;

/** The parts of a worker process. `ends` are closed last, in order. */
export type WorkerParts = {
  id: string;
  boot_id: string;
  database_url: string;
  deps: ActivityDeps;
  work: Pick<Activities, 'settled' | 'stopAll'>;
  shutdown_grace_s: number;
  engines: readonly Engine[];
  keeper: LeaseKeeper;
  presence: Presence;
  worker: Worker;
  dispatcher: RunningDispatcher | null;
  ends: (() => Promise<unknown>)[];
  logger: Logger;
};

/** A worker at work, and how it ends: by `stop`, by a later start that takes its id, or by a fault of Temporal's worker. */
export class RunningWorker {
  readonly id: string;
  readonly boot_id: string;
  /** Resolves when the worker has ended and everything is closed; rejects when it ended by a fault. */
  readonly closed: Promise<void>;
  private readonly parts: WorkerParts;
  private leaving = false;
  private grace_until = 0;

  constructor(parts: WorkerParts) {
    this.parts = parts;
    this.id = parts.id;
    this.boot_id = parts.boot_id;
    this.closed = this.work();
    this.closed.catch(() => undefined);
  }

  /** Takes no new work, lets what runs end within the grace time, then stops it and closes everything. */
  async stop(): Promise<void> {
    if (!this.leaving) {
      this.leaving = true;
      await this.parts.dispatcher?.stop();
      await this.parts.presence.leave();
      this.shutDown();
    }
    await this.closed;
  }

  /** A later start owns the id: what can go on goes on there, the rest is stopped here, and this process ends. */
  replaced(): void {
    this.parts.logger.error({ worker: this.id }, 'another process was started with this worker id; this one stops');
    this.leaving = true;
    this.stopWork();
    this.shutDown();
  }

  private stopWork(): void {
    this.parts.keeper.stopAll('shutdown');
    this.parts.work.stopAll('shutdown');
  }

  private shutDown(): void {
    if (this.parts.worker.getState() !== 'RUNNING') return;
    this.grace_until = performance.now() + this.parts.shutdown_grace_s * 1000;
    this.parts.worker.shutdown();
  }

  /** Work that Temporal does not wait for at the moment, because it is between two activities, has the same grace as all other work. */
  private async drain(): Promise<void> {
    const settled = this.parts.work.settled();
    const waiting = new AbortController();
    const grace_ms = Math.max(0, this.grace_until - performance.now());
    await Promise.race([settled, pause(grace_ms, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    this.stopWork();
    await settled;
  }

  private async work(): Promise<void> {
    const { worker, database_url, keeper, dispatcher, presence, ends, logger } = this.parts;
    const listener = createListener({ url: database_url, channels: ['cancel'], on_notify: () => keeper.poke(), logger });
    const sweeps = setInterval(() => void this.sweep(), SWEEP_EVERY_MS);
    presence.start();
    try {
      await worker.run();
    } finally {
      clearInterval(sweeps);
      await dispatcher?.stop();
      await this.drain();
      keeper.stop();
      await presence.stop();
      await listener.stop();
      for (const end of ends) await end();
    }
  }

  private async sweep(): Promise<void> {
    for (const engine of this.parts.engines) {
      await sweepEngine(this.parts.deps, engine).catch((cause: unknown) => {
        this.parts.logger.warn({ err: cause, engine: engine.kind }, 'leftovers could not be removed');
      });
    }
  }
}
