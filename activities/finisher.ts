import { setTimeout as pause } from 'node:timers/promises';
import { type FinishItem, finishInstances } from '../commands/finish-instances.ts';
import type { Logger } from '../config/logger.ts';
import { ended } from '../core/outcome.ts';
import type { Em } from '../entities/sql.ts';
import { insist, isPermanent } from './patience.ts';

type FinisherOptions = {
  fork(): Em;
  /** Name for the history: `worker:<id>`. */
  actor: string;
  /** Instances at work in this process. */
  running(): number;
  /** Called after each commit: room was made. */
  on_finished(): void;
  logger: Logger;
};
type Waiting = { item: FinishItem; resolve(own: boolean): void; reject(cause: unknown): void };

const BATCH = 100;
/** From so many instances at work on, an end waits a moment for others: what one transaction costs is shared, and nobody notices the wait. */
const CROWD = 12;
const GATHER_MS = 20;

/**
 * Makes instances final in grouped transactions: one is under way at a time, and what ends meanwhile goes into the next. An instance that
 * ends alone waits for nobody; one among many waits for up to 20 ms. While the database is away it keeps trying; the lease in each item makes a late write harmless.
 */
export class Finisher {
  private readonly options: FinisherOptions;
  private waiting: Waiting[] = [];
  private busy = false;

  constructor(options: FinisherOptions) {
    this.options = options;
  }

  /** @returns false when the instance was final already or belongs to another execution; nothing was written then */
  finish(item: FinishItem): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.busy) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      if (this.options.running() >= CROWD) await pause(GATHER_MS);
      await this.settle(this.waiting.splice(0, BATCH));
    }
    this.busy = false;
  }

  private async settle(batch: Waiting[]): Promise<void> {
    try {
      const own = await this.store(batch.map(({ item }) => item));
      for (const { item, resolve } of batch) resolve(own.has(item.runid));
    } catch (cause) {
      if (batch.length === 1) return (batch[0] as Waiting).reject(cause);
      for (const one of batch) await this.settle([one]);
    }
  }

  private async store(items: FinishItem[]): Promise<Set<string>> {
    const { fork, actor, logger, on_finished } = this.options;
    const write = (rows: FinishItem[]) => insist(() => finishInstances(fork(), rows, actor), { what: 'finish instances', logger });
    const finished = await write(items).catch((cause: unknown) => {
      if (items.length > 1 || !isPermanent(cause)) throw cause;
      logger.error({ err: cause, runid: items[0]?.runid }, 'the outcome of an instance cannot be stored');
      return write(items.map(withoutResult));
    });
    on_finished();
    return new Set(finished.map(({ runid }) => runid));
  }
}

/** What is stored of an outcome that the database refuses: that it was refused, so that the instance ends and its resources are free. */
function withoutResult(item: FinishItem): FinishItem {
  const message = `the instance ended as ${item.outcome.status}, but its result or log could not be stored`;
  return { ...item, log_tail: null, outcome: ended('failed', { code: 'outcome_unstorable', message }) };
}
