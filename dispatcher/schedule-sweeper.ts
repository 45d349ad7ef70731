import pLimit from 'p-limit';
import { advanceBackfill } from '../commands/advance-backfill.ts';
import { dueSchedules, runningBackfills } from '../commands/due-schedules.ts';
import { findMissed, unchecked } from '../commands/find-missed.ts';
import { fireDue } from '../commands/fire-occurrence.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

/** How long a due schedule is left to Temporal, which wakes us at the moment itself. */
const GRACE_MS = 2_000;
const AT_ONCE = 4;
const MOST = 1_000;
const CHECK_EVERY_MS = 60_000;

type Surroundings = {
  poke(): void;
  /** Whether Temporal wakes this process for fires. */
  isWoken(): boolean;
};

/**
 * Looks after schedules every second: fires what is due, whatever became of Temporal's wake-up, submits what waited for earlier tasks, goes
 * on with backfills, and compares ledgers with rules. Any number may run; each schedule is locked while it is dealt with.
 */
export class ScheduleSweeper extends RecurringWork {
  private readonly deps: Pick<DispatcherDeps, 'fork' | 'engines' | 'logger' | 'config'>;
  private readonly around: Surroundings;
  private readonly limit = pLimit(AT_ONCE);
  private readonly failing = new Set<string>();
  private checked_at = -Infinity;

  constructor(deps: Pick<DispatcherDeps, 'fork' | 'engines' | 'logger' | 'config'>, around: Surroundings) {
    const { config, logger } = deps;
    super({ every_ms: config.POLL_EVERY_S * 1000, failure: 'schedules could not be swept; it is tried again with each poll', logger });
    this.deps = deps;
    this.around = around;
  }

  protected async work(): Promise<void> {
    const submitted = (await this.fireAll()) + (await this.advanceAll());
    if (submitted > 0) this.around.poke();
    await this.checkLedgers();
  }

  private async fireAll(): Promise<number> {
    const grace_ms = this.around.isWoken() ? GRACE_MS : 0;
    const ids = await dueSchedules(this.deps.fork(), { grace_ms, limit: MOST });
    const counts = await Promise.all(ids.map((id) => this.limit(() => this.guarded(id, () => this.fire(id)))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** After a long outage one turn is not enough. */
  private async fire(id: string): Promise<number> {
    let submitted = 0;
    for (let more = true; more && !this.stopping.aborted; ) {
      const fired = await fireDue(this.deps.fork(), { id }, this.deps.engines);
      submitted += fired?.submitted ?? 0;
      more = fired?.more ?? false;
    }
    return submitted;
  }

  private async advanceAll(): Promise<number> {
    const backfills = await runningBackfills(this.deps.fork());
    const counts = await Promise.all(
      backfills.map((order) => this.limit(() => this.guarded(order.id, () => advanceBackfill(this.deps.fork(), order, this.deps.engines)))),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  private async checkLedgers(): Promise<void> {
    if (performance.now() - this.checked_at < CHECK_EVERY_MS) return;
    this.checked_at = performance.now();
    for (const id of await unchecked(this.deps.fork(), MOST)) {
      const missed = await this.guarded(id, () => findMissed(this.deps.fork(), id));
      if (missed > 0) this.deps.logger.error({ schedule: id, missed }, 'fires of a schedule had no row in its ledger; recorded as missed');
    }
  }

  /** One schedule that cannot be dealt with must not keep the others waiting; it is said once. */
  private async guarded(id: string, work: () => Promise<number>): Promise<number> {
    if (this.stopping.aborted) return 0;
    try {
      const count = await work();
      this.failing.delete(id);
      return count;
    } catch (cause) {
      if (!this.failing.has(id))
        this.deps.logger.warn({ err: cause, schedule: id }, 'a schedule could not be dealt with; tried again each second');
      this.failing.add(id);
      return 0;
    }
  }
}
