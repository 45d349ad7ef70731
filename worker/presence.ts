import os from 'node:os';
import { registerWorker, workerHeartbeat } from '../commands/register-worker.ts';
import type { Logger } from '../config/logger.ts';
import { RecurringWork } from '../dispatcher/recurring-work.ts';
import type { Engine } from '../engines/define-engine.ts';
import type { Em } from '../entities/sql.ts';
import { within } from '../entities/within.ts';

const MB = 1024 * 1024;
/** Share of the machine's memory that a worker offers unless told otherwise. */
const MEMORY_SHARE = 0.8;
const LONGEST_BEAT_MS = 5_000;
const ANSWER_MS = 5_000;
/** How often it is looked again at what the machine can run. */
const LOOK_EVERY_MS = 30_000;

export type PresenceOptions = {
  fork(): Em;
  id: string;
  boot_id: string;
  pool: string;
  cpu: number | null;
  memory_mb: number | null;
  engines: readonly Engine[];
  version: string;
  lost_after_s: number;
  /** Called once when a later start has taken the id over. */
  on_replaced(): void;
  logger: Logger;
};

/** Keeps the worker's row true: what it offers, what it can run now, and that it is alive. */
export class Presence extends RecurringWork {
  private readonly options: PresenceOptions;
  private engines: string[] = [];
  private unavailable: Record<string, string> = {};
  private docker_id: string | null = null;
  private looked_at = -Infinity;
  private leaving = false;

  constructor(options: PresenceOptions) {
    const { lost_after_s, logger } = options;
    super({ every_ms: Math.min(LONGEST_BEAT_MS, (lost_after_s * 1000) / 10), failure: 'heartbeat not written', logger });
    this.options = options;
  }

  /** Announces the worker. Rejects while the database is away. */
  async register(): Promise<void> {
    const { fork, id, boot_id, pool, cpu, memory_mb, version } = this.options;
    await this.look();
    await registerWorker(fork(), {
      id,
      boot_id,
      pool,
      version,
      hostname: os.hostname(),
      pid: process.pid,
      total_cpu: cpu ?? os.availableParallelism(),
      total_memory: memory_mb ?? Math.floor((os.totalmem() / MB) * MEMORY_SHARE),
      engines: this.engines,
      unavailable: this.unavailable,
      docker_id: this.docker_id,
    });
  }

  /** Says goodbye, so that nothing more is placed here; the signs of life go on for what is still running. */
  async leave(): Promise<void> {
    this.leaving = true;
    await this.tick();
  }

  /** One sign of life. */
  protected async work(): Promise<void> {
    const { fork, id, boot_id, on_replaced } = this.options;
    if (performance.now() - this.looked_at > LOOK_EVERY_MS) await this.look();
    const sign = { id, boot_id, engines: this.engines, unavailable: this.unavailable, docker_id: this.docker_id, leaving: this.leaving };
    if ((await within(ANSWER_MS, 'heartbeat', workerHeartbeat(fork(), sign))) !== 'replaced') return;
    void this.stop();
    on_replaced();
  }

  /** The Docker Engine of this worker; null: it has none, or none that answers. */
  private async daemon(): Promise<string | null> {
    const asked = this.options.engines.find((engine) => engine.daemon)?.daemon?.() ?? Promise.resolve(null);
    return await within(ANSWER_MS, 'Docker Engine', asked).catch(() => null);
  }

  private async look(): Promise<void> {
    this.looked_at = performance.now();
    this.docker_id = (await this.daemon()) ?? this.docker_id;
    const found = await Promise.all(this.options.engines.map(async (engine) => ({ kind: engine.kind, state: await ask(engine) })));
    this.engines = found.filter(({ state }) => state.ok).map(({ kind }) => kind);
    this.unavailable = Object.fromEntries(found.flatMap(({ kind, state }) => (state.ok ? [] : [[kind, state.reason]])));
  }
}

async function ask(engine: Engine): Promise<Awaited<ReturnType<Engine['available']>>> {
  return await within(ANSWER_MS, `engine "${engine.kind}"`, engine.available()).catch((cause: unknown) => ({
    ok: false as const,
    reason: cause instanceof Error ? cause.message : String(cause),
  }));
}
