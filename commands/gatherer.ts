import { setTimeout as pause } from 'node:timers/promises';

type GathererOptions<Item, Result> = {
  /** Does them all in one transaction, in any order; answers in the order of the items. */
  run(items: Item[]): Promise<Result[]>;
  /** How many at most make a group; 200 unless said otherwise. */
  most?: number;
  /** Whether so much is going on that waiting a moment for others pays; absent: never. */
  crowded?(): boolean;
  /** Whether the pieces of a group that failed may be done again one by one: nothing of it was done, or repeating it is harmless. Absent: always. */
  again?(cause: unknown): boolean;
};

const BATCH = 200;
/** What one transaction costs is shared by all that come within this time, and in a crowd nobody notices the wait. */
const GATHER_MS = 20;
/** So many need not wait for more. */
const ENOUGH = 8;

/**
 * Does small pieces of work in groups: one group is under way at a time, and what comes meanwhile goes into the next. What comes alone waits
 * for nobody. A group that fails is repeated one by one where it may be, so that a bad piece fails alone.
 */
export class Gatherer<Item, Result> {
  private readonly options: GathererOptions<Item, Result>;
  private waiting: { item: Item; resolve(result: Result): void; reject(cause: unknown): void }[] = [];
  private busy = false;

  constructor(options: GathererOptions<Item, Result>) {
    this.options = options;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.busy) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.busy = true;
    // What is added at one go is one group.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      if (this.waiting.length < ENOUGH && this.options.crowded?.()) await pause(GATHER_MS);
      await this.settle(this.waiting.splice(0, this.options.most ?? BATCH));
    }
    this.busy = false;
  }

  private async settle(batch: typeof this.waiting): Promise<void> {
    try {
      const results = await this.options.run(batch.map(({ item }) => item));
      for (const [i, one] of batch.entries()) one.resolve(results[i] as Result);
    } catch (cause) {
      const again = batch.length > 1 && (this.options.again?.(cause) ?? true);
      for (const one of batch) {
        if (again) await this.settle([one]);
        else one.reject(cause);
      }
    }
  }
}
