import { predictLateness, repairPauses, sweepClocks } from '../commands/sweep-slas.ts';
import { Alarm } from './alarm.ts';
import type { BreachStarter } from './breach-starter.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

/** Looking ahead, and at everything that is held, costs more than looking back: it is done no more often than so, and takes no more than so much of the time. */
const PREDICT_EVERY_MS = 2_000;
const REPAIR_EVERY_MS = 1_000;
const MOST_OF_TIME = 1 / 20;
/** What took long because it had to wait is not put off for ever. */
const LATEST_MS = 30_000;
/** The sweep leaves out what was due in the last two milliseconds. */
const AFTER_MS = 4;
/** What is overdue after a sweep is locked by somebody who will settle it. */
const LOCKED_MS = 100;
const FAILURE = 'clocks of SLAs could not be swept; it is tried again with each poll';

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'> };

/**
 * Notices what is overdue: wakes when the next clock is, at the latest after a poll, tells of it in the database and has the workflows started. In every
 * dispatcher; they share the work by the tasks' locks.
 */
export class SlaSweeper extends RecurringWork {
  private readonly deps: Deps;
  private readonly starter: BreachStarter;
  private readonly wake = new Alarm(() => void this.tick());
  private predict_at = -Infinity;
  private repair_at = -Infinity;

  constructor(deps: Deps, starter: BreachStarter) {
    const { config, logger } = deps;
    super({ every_ms: config.POLL_EVERY_S * 1000, failure: FAILURE, warns: true, logger });
    this.deps = deps;
    this.starter = starter;
  }

  override start(): void {
    super.start();
    void this.tick();
  }

  override async stop(): Promise<void> {
    this.wake.stop();
    await Promise.all([super.stop(), this.starter.stop()]);
  }

  /** The starts that follow are not waited for. */
  protected async work(): Promise<void> {
    try {
      await this.look();
      await this.predict();
    } finally {
      void this.starter.tick();
    }
  }

  /** Tells of what is due, whatever becomes of the repair before it. */
  private async look(): Promise<void> {
    try {
      await this.repair();
    } finally {
      await this.sweep();
    }
  }

  private async repair(): Promise<void> {
    const began = performance.now();
    if (began < this.repair_at) return;
    await repairPauses(this.deps.fork());
    this.repair_at = nextLook(began, REPAIR_EVERY_MS);
  }

  private async predict(): Promise<void> {
    const began = performance.now();
    if (began < this.predict_at) return;
    const late = await predictLateness(this.deps.fork());
    this.predict_at = nextLook(began, PREDICT_EVERY_MS);
    if (late > 0) await this.sweep();
  }

  private async sweep(): Promise<void> {
    const { next_in_ms } = await sweepClocks(this.deps.fork());
    if (next_in_ms !== null) this.wake.in(next_in_ms < -LOCKED_MS ? LOCKED_MS : Math.max(0, next_in_ms) + AFTER_MS);
  }
}

/** When to look again, on the clock of `performance`, after a look that began then and ends now. */
const nextLook = (began: number, every_ms: number): number =>
  began + Math.min(LATEST_MS, Math.max(every_ms, (performance.now() - began) / MOST_OF_TIME));
