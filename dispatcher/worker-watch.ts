/** A worker as the database shows it: `sign` changes with each sign of life. */
export type WatchedWorker = { id: string; sign: string };

type Seen = { sign: string; changed_at: number };

/**
 * Tells which workers have been silent for too long. Compares signs of life with each other, never with a clock of another machine, and counts
 * only time in which this process could have seen one: every break in its sight of PostgreSQL or Temporal starts all counts again.
 * Pure: the time, monotonic milliseconds, is an argument.
 */
export class WorkerWatch {
  private readonly limit_ms: number;
  private readonly gap_ms: number;
  private seen = new Map<string, Seen>();
  private looked_at = -Infinity;

  /** @param limits `limit_ms`: silence that means lost; `gap_ms`: longer between two looks, and this process itself was away */
  constructor(limits: { limit_ms: number; gap_ms: number }) {
    this.limit_ms = limits.limit_ms;
    this.gap_ms = limits.gap_ms;
  }

  /** Something could not be seen: nothing counts as silence until it can. */
  blind(): void {
    this.looked_at = -Infinity;
  }

  /** @returns ids of workers that have shown no sign for `limit_ms` of unbroken watching */
  look(workers: readonly WatchedWorker[], now: number): string[] {
    const broken = now - this.looked_at > this.gap_ms;
    this.looked_at = now;
    const known = this.seen;
    this.seen = new Map(
      workers.map(({ id, sign }) => {
        const before = broken ? undefined : known.get(id);
        return [id, before?.sign === sign ? before : { sign, changed_at: now }];
      }),
    );
    return workers.map(({ id }) => id).filter((id) => now - (this.seen.get(id) as Seen).changed_at >= this.limit_ms);
  }
}
