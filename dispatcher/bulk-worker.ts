import { workBulkActions } from '../commands/work-bulk-actions.ts';
import type { DispatcherDeps } from './deps.ts';

/** Carries out bulk actions, a batch of each at a time. Several dispatchers share the work; what a killed one leaves, the others do. */
export class BulkWorker {
  private readonly deps: DispatcherDeps;
  private readonly poke: () => void;
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> | null = null;
  private stopped = false;

  /** @param poke called after each round: tasks may start now, or room may have been made */
  constructor(deps: DispatcherDeps, poke: () => void) {
    this.deps = deps;
    this.poke = poke;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), this.deps.config.POLL_EVERY_S * 1000);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    await this.working;
  }

  /** Works until nothing is left. Never rejects. */
  async tick(): Promise<void> {
    this.working ??= this.work().finally(() => {
      this.working = null;
    });
    await this.working;
  }

  private async work(): Promise<void> {
    try {
      while (!this.stopped && (await workBulkActions(this.deps.fork)) > 0) this.poke();
    } catch (cause) {
      this.deps.logger.debug({ err: cause }, 'a bulk action was interrupted; it goes on with the next look');
    }
  }
}
