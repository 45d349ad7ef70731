import { attemptDelivery, type ClaimedDelivery, claimDeliveries, type Senders } from '../commands/send-deliveries.ts';
import { settleDelivery } from '../commands/settle-delivery.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'>; senders: Senders };

/**
 * Sends what waits in the outbox (`deliveries`): looks each second and when poked. Any number may run. What a killed one had begun is sent again by
 * another, under the same id.
 */
export class Deliverer extends RecurringWork {
  private readonly deps: Deps;
  private readonly busy = new Map<string, number>();
  private readonly sending = new Set<Promise<void>>();

  constructor(deps: Deps) {
    const { config, logger } = deps;
    super({ every_ms: config.POLL_EVERY_S * 1000, failure: 'deliveries could not be looked at; tried again with the next look', logger });
    this.deps = deps;
  }

  /** Ends after the attempts under way, which have time limits. */
  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all(this.sending);
  }

  /** Something may be due. Cheap; does not wait. */
  poke(): void {
    void super.tick();
  }

  /** Looks once and waits for the attempts that were begun. Never rejects. */
  override async tick(): Promise<void> {
    await super.tick();
    await Promise.all(this.sending);
  }

  protected async work(): Promise<void> {
    for (const delivery of await claimDeliveries(this.deps.fork(), this.busy)) this.begin(delivery);
  }

  private begin(delivery: ClaimedDelivery): void {
    const { lane } = delivery;
    this.busy.set(lane, (this.busy.get(lane) ?? 0) + 1);
    const done = this.send(delivery).finally(() => {
      const left = (this.busy.get(lane) ?? 1) - 1;
      if (left > 0) this.busy.set(lane, left);
      else this.busy.delete(lane);
      this.sending.delete(done);
      this.poke();
    });
    this.sending.add(done);
  }

  private async send(delivery: ClaimedDelivery): Promise<void> {
    const { fork, logger, senders } = this.deps;
    const { id, key, lane } = delivery;
    try {
      const attempt = await attemptDelivery(senders, delivery);
      const state = await settleDelivery(fork(), delivery, attempt);
      if (state === 'dead') logger.error({ delivery: id, key, lane, code: attempt.code }, 'a delivery was given up');
    } catch (cause) {
      logger.warn({ err: cause, delivery: id }, 'the end of a delivery could not be stored; it is sent again, under the same id');
    }
  }
}
