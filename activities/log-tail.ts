const NEWLINE = 1;

/** The last `max` bytes of what passes, in whole lines: what is kept of an output whose middle was cut. */
export class LogTail {
  private readonly max: number;
  private lines: string[] = [];
  private sizes: number[] = [];
  private first = 0;
  private bytes = 0;

  constructor(max: number) {
    this.max = max;
  }

  push(line: string): void {
    const size = Buffer.byteLength(line) + NEWLINE;
    this.lines.push(line);
    this.sizes.push(size);
    this.bytes += size;
    while (this.bytes > this.max) this.bytes -= this.sizes[this.first++] as number;
    if (this.first > 1_000 && this.first * 2 > this.lines.length) this.compact();
  }

  /** Lines joined, each with its newline; null when nothing has passed. */
  text(): string | null {
    this.compact();
    return this.lines.length === 0 ? null : this.lines.map((line) => `${line}\n`).join('');
  }

  private compact(): void {
    this.lines = this.lines.slice(this.first);
    this.sizes = this.sizes.slice(this.first);
    this.first = 0;
  }
}
