import { type AlertSink, attemptAlert, type ClaimedAlert, claimAlerts, settleAlert } from '../commands/deliver-alerts.ts';
import type { DispatcherDeps } from './deps.ts';

/** Attempts at once: a receiver that hangs holds up so many at most. */
const MOST_AT_ONCE = 20;

type Deps = Pick<DispatcherDeps, 'fork' | 'logger'> & { config: Pick<DispatcherDeps['config'], 'POLL_EVERY_S'>; sink: AlertSink };

/**
 * Sends alerts that are due: looks each second. Any number may run. What a killed one had begun is sent again by another, under the same id.
 */
export class AlertDeliverer {
  private readonly deps: Deps;
  private readonly sending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;
  private stopped = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  start(): void {
    this.timer = setInterval(() => void this.look(), this.deps.config.POLL_EVERY_S * 1_000);
  }

  /** Ends after the attempts under way, which have time limits. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    await this.looking;
    await Promise.all(this.sending);
  }

  /** Looks once and waits for the attempts that were begun. Never rejects. */
  async tick(): Promise<void> {
    await this.look();
    await Promise.all(this.sending);
  }

  private async look(): Promise<void> {
    this.looking ??= this.claim().finally(() => {
      this.looking = null;
    });
    await this.looking;
  }

  private async claim(): Promise<void> {
    const room = MOST_AT_ONCE - this.sending.size;
    if (room <= 0 || this.stopped) return;
    try {
      for (const alert of await claimAlerts(this.deps.fork(), room)) this.begin(alert);
    } catch (cause) {
      this.deps.logger.debug({ err: cause }, 'alerts could not be looked at; tried again with the next look');
    }
  }

  private begin(alert: ClaimedAlert): void {
    const done = this.send(alert).finally(() => this.sending.delete(done));
    this.sending.add(done);
  }

  private async send(alert: ClaimedAlert): Promise<void> {
    const { fork, logger, sink } = this.deps;
    const named = { alert: alert.id, rule: alert.rule_name, camera: alert.camera_id };
    try {
      const attempt = await attemptAlert(sink, alert);
      const state = await settleAlert(fork(), alert, attempt);
      if (state === 'failed') logger.error({ ...named, error: attempt.error }, 'an alert was given up');
    } catch (cause) {
      logger.warn({ err: cause, ...named }, 'the end of an attempt could not be stored; the alert is sent again, under the same id');
    }
  }
}
