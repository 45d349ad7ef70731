import { publishFeeds } from '../commands/publish-feed.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'> };

/** Numbers what streams show, each second. Any number may run: one at a time does it. */
export class FeedPublisher extends RecurringWork {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    const { config, logger } = deps;
    super({ every_ms: config.POLL_EVERY_S * 1000, failure: 'streams could not be numbered; tried again with the next look', logger });
    this.deps = deps;
  }

  protected async work(): Promise<void> {
    while ((await publishFeeds(this.deps.fork())) > 0);
  }
}
