import { preparePartitions, sweepDetections } from '../commands/sweep-detections.ts';
import type { DispatcherDeps } from './deps.ts';

const SWEEP_EVERY_MS = 5_000;
const PREPARE_EVERY_MS = 3_600_000;

/** Keeps detections in order: partitions ahead, silent violations ended, hours computed. Any number may do it at once. */
export class DetectionKeeper {
  private readonly deps: Pick<DispatcherDeps, 'fork' | 'logger'>;
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> | null = null;
  private prepared_at = -Infinity;

  constructor(deps: Pick<DispatcherDeps, 'fork' | 'logger'>) {
    this.deps = deps;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), SWEEP_EVERY_MS);
    void this.tick();
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.working;
  }

  /** Does what is due. Never rejects. */
  async tick(): Promise<void> {
    this.working ??= this.work().finally(() => {
      this.working = null;
    });
    await this.working;
  }

  private async work(): Promise<void> {
    try {
      if (performance.now() - this.prepared_at > PREPARE_EVERY_MS) {
        await preparePartitions(this.deps.fork(), Date.now());
        this.prepared_at = performance.now();
      }
      await sweepDetections(this.deps.fork());
    } catch (cause) {
      this.deps.logger.debug({ err: cause }, 'detections could not be looked after; it is tried again');
    }
  }
}
