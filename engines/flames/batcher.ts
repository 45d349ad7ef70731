/** Collects items and hands them on in groups: one group is under way at a time, and what comes meanwhile goes into the next. */
export class Batcher<T> {
  private readonly run: (items: T[]) => Promise<void>;
  private readonly most: number;
  private waiting: { item: T; done(): void; fail(cause: unknown): void }[] = [];
  private busy = false;

  /** @param run does a group, in order; when it rejects, so does every `add` of the group */
  constructor(run: (items: T[]) => Promise<void>, most: number) {
    this.run = run;
    this.most = most;
  }

  /** Resolves when the item has been handed on. */
  add(item: T): Promise<void> {
    return new Promise((done, fail) => {
      this.waiting.push({ item, done, fail });
      if (!this.busy) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, this.most);
      try {
        await this.run(group.map(({ item }) => item));
        for (const { done } of group) done();
      } catch (cause) {
        for (const { fail } of group) fail(cause);
      }
    }
    this.busy = false;
  }
}
