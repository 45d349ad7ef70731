import type { Logger } from '../config/logger.ts';

/**
 * How work recurs. `failure` is what the log says when it fails: as debug each time, since a database that is away is told of elsewhere, or as a
 * warning (`warns`) for the first failure after a success.
 */
type Manner = { every_ms: number; failure: string; warns?: boolean; logger: Logger };

/**
 * Work that is done again and again from `start` to `stop`, and at once by `tick`: never twice at a time, whatever it throws. What is due is found
 * in the database each time, so that work which failed, or which `stop` broke off, is found again.
 */
export abstract class RecurringWork {
  /** Aborted by `stop`: what is left over is for later, or for another process. */
  protected readonly stopping: AbortSignal;
  private readonly ending = new AbortController();
  private readonly manner: Manner;
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> | null = null;
  private asked_for: Date | null = null;
  private well = true;

  constructor(manner: Manner) {
    this.manner = manner;
    this.stopping = this.ending.signal;
  }

  /** Does all that is due. @param now for what goes by the calendar */
  protected abstract work(now: Date): Promise<void>;

  start(): void {
    this.timer = setInterval(() => {
      if (!this.working) void this.tick();
    }, this.manner.every_ms);
  }

  /** Ends after the work under way. */
  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.ending.abort();
    await this.working;
  }

  /** Does what is due now: after the work under way, if there is any, and once for all who ask meanwhile. Never rejects. */
  async tick(now: Date = new Date()): Promise<void> {
    if (this.stopping.aborted) return;
    this.asked_for = now;
    this.working ??= this.repeat();
    await this.working;
  }

  private async repeat(): Promise<void> {
    while (this.asked_for && !this.stopping.aborted) {
      const now = this.asked_for;
      this.asked_for = null;
      await this.work(now).then(
        () => this.note(true, null),
        (cause: unknown) => this.note(false, cause),
      );
    }
    this.working = null;
  }

  private note(well: boolean, cause: unknown): void {
    const { failure, warns, logger } = this.manner;
    if (!well && !warns) logger.debug({ err: cause }, failure);
    if (!well && warns && this.well) logger.warn({ err: cause }, failure);
    this.well = well;
  }
}
