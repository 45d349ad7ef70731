import { deliverDueAlert } from '../commands/deliver-alerts.ts';
import type { DispatcherDeps } from './deps.ts';

/** `handedOver`: something may have come into the outbox. */
type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'>; handedOver(): void };

/** Hands alerts to their channels and finds out when they were delivered: looks each second. Any number may run. */
export class AlertDeliverer {
  private readonly deps: Deps;
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> | null = null;
  private stopped = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), this.deps.config.POLL_EVERY_S * 1_000);
  }

  /** Ends after the alert under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    await this.working;
  }

  /** Looks at all that are due. Never rejects. */
  async tick(): Promise<void> {
    this.working ??= this.work()
      .catch((cause: unknown) => this.deps.logger.debug({ err: cause }, 'alerts could not be looked at; tried again with the next look'))
      .finally(() => {
        this.working = null;
      });
    await this.working;
  }

  private async work(): Promise<void> {
    const { fork, logger, handedOver } = this.deps;
    let state = this.stopped ? null : await deliverDueAlert(fork());
    while (state !== null) {
      if (state === 'pending') handedOver();
      if (state === 'failed') logger.error('an alert was given up: the history and the deliveries say which and why');
      state = this.stopped ? null : await deliverDueAlert(fork());
    }
  }
}
