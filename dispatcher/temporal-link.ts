import type { Client } from '@temporalio/client';
import type { Logger } from '../config/logger.ts';
import { within } from '../entities/within.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
const ANSWER_MS = 5_000;

/**
 * Whether Temporal can be reached, as far as this process knows. While it cannot, nothing is admitted (resources would be held for nothing)
 * and nothing is freed; it is asked again with growing pauses. One log line per change.
 */
export class TemporalLink {
  private readonly client: Client;
  private readonly logger: Logger;
  private failures = 0;
  private ask_at = 0;
  private up_since = performance.now();

  constructor(client: Client, logger: Logger) {
    this.client = client;
    this.logger = logger;
  }

  get up(): boolean {
    return this.failures === 0;
  }

  /** Seconds without a break since Temporal was found to answer; 0 while it does not. */
  get seen_s(): number {
    return this.up ? (performance.now() - this.up_since) / 1000 : 0;
  }

  /** A call to Temporal failed for a reason that lies in the connection or the server. */
  failed(cause: unknown): void {
    if (this.failures > 0 && performance.now() < this.ask_at) return;
    if (this.failures === 0) this.logger.warn({ err: cause }, 'Temporal does not answer; nothing is started until it does');
    this.ask_at = performance.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures += 1;
  }

  /** Up, or found to be up again just now. Never rejects. */
  async ready(): Promise<boolean> {
    if (this.up) return true;
    return performance.now() >= this.ask_at && (await this.ask());
  }

  /** Asks Temporal now, whatever was known. */
  async ask(): Promise<boolean> {
    try {
      await within(ANSWER_MS, 'Temporal', this.client.workflowService.getSystemInfo({}));
      if (!this.up) {
        this.logger.info({ failures: this.failures }, 'Temporal answers again');
        this.up_since = performance.now();
      }
      this.failures = 0;
      return true;
    } catch (cause) {
      this.failed(cause);
      return false;
    }
  }
}
