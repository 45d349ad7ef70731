import { workBulkActions } from '../commands/work-bulk-actions.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

/** Carries out bulk actions, a batch of each at a time. Several dispatchers share the work; what a killed one leaves, the others do. */
export class BulkWorker extends RecurringWork {
  private readonly deps: DispatcherDeps;
  private readonly poke: () => void;

  /** @param poke called after each batch: tasks may start now, or room may have been made */
  constructor(deps: DispatcherDeps, poke: () => void) {
    const { config, logger } = deps;
    super({ every_ms: config.POLL_EVERY_S * 1000, failure: 'a bulk action was interrupted; it goes on with the next look', logger });
    this.deps = deps;
    this.poke = poke;
  }

  protected async work(): Promise<void> {
    while (!this.stopping.aborted && (await workBulkActions(this.deps.fork)) > 0) this.poke();
  }
}
