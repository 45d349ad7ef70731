import { afterAnswer, afterRefusal, type Pace, startPace, waitFor } from '../../core/flames/pace.ts';

type Waiting = { enter(): void };

/** Lets calls to one endpoint through, first come first served, as many at once as its pace allows. Time is monotonic, in milliseconds. */
export class Gate {
  private pace: Pace;
  private in_flight = 0;
  private waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | null = null;

  /** @param most calls at once at best */
  constructor(most: number) {
    this.pace = startPace(most);
  }

  /** Calls that the endpoint bears at once, as far as is known. */
  get limit(): number {
    return Math.floor(this.pace.limit);
  }

  /**
   * Resolves when a call may be sent, with the time; every entry is followed by one `leave`.
   * @throws the signal's reason once it is aborted: nothing was entered then
   */
  async enter(signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const abort = () => {
        this.waiting = this.waiting.filter((other) => other !== one);
        reject(signal.reason);
      };
      const one: Waiting = {
        enter: () => {
          signal.removeEventListener('abort', abort);
          this.in_flight += 1;
          resolve(performance.now());
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.waiting.push(one);
      this.pump();
    });
  }

  /** The call has come back. `refused`: with "too many requests", or with a wish to be left alone for `wait_ms`. */
  leave(sent_at: number, refused: { wait_ms: number | null } | null): void {
    this.in_flight -= 1;
    this.pace = refused ? afterRefusal(this.pace, { now: performance.now(), sent_at, ...refused }) : afterAnswer(this.pace, sent_at);
    this.pump();
  }

  private pump(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    while (this.waiting.length > 0) {
      const wait = waitFor(this.pace, this.in_flight, performance.now());
      if (wait === null) return;
      if (wait > 0) {
        this.timer = setTimeout(() => this.pump(), Math.ceil(wait));
        return;
      }
      this.waiting.shift()?.enter();
    }
  }
}
