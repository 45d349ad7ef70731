import { deliverDueAlert } from '../commands/deliver-alerts.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

/** `handedOver`: something may have come into the outbox. */
type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'>; handedOver(): void };

/** Hands alerts to their channels and finds out when they were delivered: looks each second, at all that are due. Any number may run. */
export class AlertDeliverer extends RecurringWork {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    const { config, logger } = deps;
    super({
      every_ms: config.POLL_EVERY_S * 1_000,
      failure: 'an alert could not be looked at; it is tried again in ten seconds',
      warns: true,
      logger,
    });
    this.deps = deps;
  }

  protected async work(): Promise<void> {
    const { fork, logger, handedOver } = this.deps;
    while (!this.stopping.aborted) {
      const looked = await deliverDueAlert(fork());
      if (looked === null) return;
      const { alert, state } = looked;
      if (state === 'pending') handedOver();
      if (state === 'failed') logger.error({ alert }, 'an alert was given up; its history and its deliveries say why');
    }
  }
}
