const LEAST_MS = 2;
const LONGEST_MS = 60_000;

/** A timer that always goes off at the earliest of the times that it was given, once for all of them. */
export class Alarm {
  private readonly ring: () => void;
  private timer: NodeJS.Timeout | null = null;
  private at = Infinity;
  private stopped = false;

  constructor(ring: () => void) {
    this.ring = ring;
  }

  /** @param ms from now; 2 ms to a minute: the next poll asks for what lies further ahead once more */
  in(ms: number): void {
    const at = performance.now() + Math.max(LEAST_MS, Math.min(ms, LONGEST_MS));
    if (this.stopped || at >= this.at) return;
    this.clear();
    this.at = at;
    this.timer = setTimeout(() => this.goOff(), Math.max(1, Math.ceil(at - performance.now())));
  }

  stop(): void {
    this.stopped = true;
    this.clear();
  }

  private goOff(): void {
    this.clear();
    this.ring();
  }

  private clear(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.at = Infinity;
  }
}
