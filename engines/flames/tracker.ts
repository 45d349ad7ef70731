import type { LogStatus } from '../../core/flames/log-entry.ts';

type Settled = Exclude<LogStatus, 'answered'>;

/** How far a run is: prompts (times epochs) that are settled, by how. */
export class Tracker {
  readonly total: number;
  readonly counts: Record<Settled, number> = { ok: 0, unparsed: 0, refused: 0, error: 0 };
  /** Answers that came from the cache. */
  cached = 0;
  /** No prompt is left to be asked; some may wait for their score. */
  all_asked = false;
  private readonly changed: (tracker: Tracker) => void;

  /** @param changed called after each change */
  constructor(total: number, changed: (tracker: Tracker) => void) {
    this.total = total;
    this.changed = changed;
  }

  get done(): number {
    return this.counts.ok + this.counts.unparsed + this.counts.refused + this.counts.error;
  }

  get percent(): number {
    return this.total === 0 ? 100 : Math.floor((100 * this.done) / this.total);
  }

  /** @param count so many prompts at once */
  settle(status: LogStatus, cached: boolean, count = 1): void {
    if (status === 'answered') return;
    this.counts[status] += count;
    if (cached) this.cached += count;
    this.changed(this);
  }
}
