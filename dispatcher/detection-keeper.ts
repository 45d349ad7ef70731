import { preparePartitions, sweepDetections } from '../commands/sweep-detections.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

const SWEEP_EVERY_MS = 5_000;
const PREPARE_EVERY_MS = 3_600_000;

/** Keeps detections in order: partitions ahead, silent violations ended, hours computed. Any number may do it at once. */
export class DetectionKeeper extends RecurringWork {
  private readonly deps: Pick<DispatcherDeps, 'fork' | 'logger'>;
  private prepared_at = -Infinity;

  constructor(deps: Pick<DispatcherDeps, 'fork' | 'logger'>) {
    super({ every_ms: SWEEP_EVERY_MS, failure: 'detections could not be looked after; it is tried again', logger: deps.logger });
    this.deps = deps;
  }

  override start(): void {
    super.start();
    void this.tick();
  }

  protected async work(): Promise<void> {
    if (performance.now() - this.prepared_at > PREPARE_EVERY_MS) {
      await preparePartitions(this.deps.fork(), Date.now());
      this.prepared_at = performance.now();
    }
    await sweepDetections(this.deps.fork());
  }
}
