import { type FinishItem, finishInstances } from '../commands/finish-instances.ts';
import { Gatherer } from '../commands/gatherer.ts';
import type { Logger } from '../config/logger.ts';
import { ended } from '../core/outcome.ts';
import type { Em } from '../entities/sql.ts';
import { insist, isPermanent } from './patience.ts';

type FinisherOptions = {
  fork(): Em;
  /** Name for the history: `worker:<id>`. */
  actor: string;
  /** Whether many instances are at work in this process. */
  crowded(): boolean;
  /** Called after each commit: room was made. */
  on_finished(): void;
  logger: Logger;
};

/**
 * Makes instances final in grouped transactions. While the database is away it keeps trying; the lease in each item makes a late write harmless.
 */
export class Finisher {
  private readonly options: FinisherOptions;
  private readonly ends: Gatherer<FinishItem, boolean>;

  constructor(options: FinisherOptions) {
    this.options = options;
    this.ends = new Gatherer({ run: (items) => this.store(items), crowded: options.crowded });
  }

  /** @returns false when the instance was final already or belongs to another execution; nothing was written then */
  finish(item: FinishItem): Promise<boolean> {
    return this.ends.add(item);
  }

  private async store(items: FinishItem[]): Promise<boolean[]> {
    const { fork, actor, logger, on_finished } = this.options;
    const write = (rows: FinishItem[]) => insist(() => finishInstances(fork(), rows, actor), { what: 'finish instances', logger });
    const finished = await write(items).catch((cause: unknown) => {
      if (items.length > 1 || !isPermanent(cause)) throw cause;
      logger.error({ err: cause, runid: items[0]?.runid }, 'the outcome of an instance cannot be stored');
      return write(items.map(withoutResult));
    });
    on_finished();
    const own = new Set(finished.map(({ runid }) => runid));
    return items.map(({ runid }) => own.has(runid));
  }
}

/** What is stored of an outcome that the database refuses: that it was refused, so that the instance ends and its resources are free. */
function withoutResult(item: FinishItem): FinishItem {
  const message = `the instance ended as ${item.outcome.status}, but its result or log could not be stored`;
  return { ...item, log_tail: null, outcome: ended('failed', { code: 'outcome_unstorable', message }) };
}
