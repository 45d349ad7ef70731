import { predictLateness, repairPauses, sweepClocks } from '../commands/sweep-slas.ts';
import type { BreachStarter } from './breach-starter.ts';
import type { DispatcherDeps } from './deps.ts';

/** Looking ahead, and at everything that is held, costs more than looking back: it is done no more often than so, and takes no more than so much of the time. */
const PREDICT_EVERY_MS = 2_000;
const REPAIR_EVERY_MS = 1_000;
const MOST_OF_TIME = 1 / 20;
/** The sweep leaves out what was due in the last two milliseconds. */
const AFTER_MS = 4;
/** What is overdue after a sweep is locked by somebody who will settle it. */
const LOCKED_MS = 100;

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'> };

/**
 * Notices what is overdue: wakes when the next clock is, at the latest after a poll, tells of it in the database and has the workflows started. In every
 * dispatcher; they share the work by the tasks' locks.
 */
export class SlaSweeper {
  private readonly deps: Deps;
  private readonly starter: BreachStarter;
  private timer: NodeJS.Timeout | null = null;
  private turning: Promise<void> | null = null;
  private sweeping: Promise<void> | null = null;
  /** When the next stage is due, on the clock of `performance`. */
  private next_at = Infinity;
  private predict_at = -Infinity;
  private repair_at = -Infinity;
  private stopped = false;
  private well = true;

  constructor(deps: Deps, starter: BreachStarter) {
    this.deps = deps;
    this.starter = starter;
  }

  start(): void {
    this.schedule(0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.starter.stop();
    await this.turning;
    await this.sweeping;
  }

  /** One look, and the starts that follow from it. Never rejects. */
  async tick(): Promise<void> {
    await this.look();
    await this.starter.tick();
  }

  private async look(): Promise<void> {
    this.sweeping ??= this.sweep().finally(() => {
      this.sweeping = null;
    });
    await this.sweeping;
  }

  private async turn(): Promise<void> {
    await this.look();
    void this.starter.tick();
    this.schedule(this.untilNext());
  }

  private schedule(wait_ms: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.turning = this.turn();
    }, wait_ms);
  }

  private async sweep(): Promise<void> {
    try {
      await this.repair();
      await this.sweepOnce();
      await this.predict();
      this.note(true, null);
    } catch (cause) {
      this.next_at = Infinity;
      this.note(false, cause);
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
    if (late > 0) await this.sweepOnce();
  }

  private async sweepOnce(): Promise<void> {
    const { next_in_ms } = await sweepClocks(this.deps.fork());
    this.next_at = next_in_ms === null ? Infinity : performance.now() + next_in_ms;
  }

  private untilNext(): number {
    const poll_ms = this.deps.config.POLL_EVERY_S * 1000;
    const next_ms = this.next_at - performance.now();
    return Math.min(poll_ms, next_ms < -LOCKED_MS ? LOCKED_MS : Math.max(0, next_ms) + AFTER_MS);
  }

  private note(well: boolean, cause: unknown): void {
    if (!well && this.well) this.deps.logger.warn({ err: cause }, 'clocks of SLAs could not be swept; it is tried again with each poll');
    this.well = well;
  }
}

/** When to look again, on the clock of `performance`, after a look that began then and ends now. */
const nextLook = (began: number, every_ms: number): number => began + Math.max(every_ms, (performance.now() - began) / MOST_OF_TIME);
