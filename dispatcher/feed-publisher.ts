import { publishFeeds } from '../commands/publish-feed.ts';
import type { DispatcherDeps } from './deps.ts';

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'> };

/** Numbers what streams show, each second and when poked. Any number may run: one at a time does it. */
export class FeedPublisher {
  private readonly deps: Deps;
  private timer: NodeJS.Timeout | null = null;
  private publishing: Promise<void> | null = null;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), this.deps.config.POLL_EVERY_S * 1000);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.publishing;
  }

  /** Numbers what waits. Never rejects. */
  async tick(): Promise<void> {
    this.publishing ??= this.publish().finally(() => {
      this.publishing = null;
    });
    await this.publishing;
  }

  private async publish(): Promise<void> {
    try {
      while ((await publishFeeds(this.deps.fork())) > 0);
    } catch (cause) {
      this.deps.logger.debug({ err: cause }, 'streams could not be numbered; tried again with the next look');
    }
  }
}
