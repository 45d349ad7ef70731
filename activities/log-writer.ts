import type { LogLine } from '../commands/append-logs.ts';
import { createLineSplitter } from '../core/lines.ts';
import type { EngineLog } from '../engines/define-engine.ts';
import { LogTail } from './log-tail.ts';
import type { SecretMask } from './secret-mask.ts';

/** Where a log goes on: next number, lines and bytes that earlier executions stored or cut, and the end of what they stored. */
export type LogStart = { next_seq: number; lines_before: number; lines_cut: number; stored_bytes: number; tail: string[] };

type LogOptions = {
  start: LogStart;
  cap_bytes: number;
  mask: SecretMask;
  /** Stores lines, and how many were cut so far; false when another execution owns the instance. Keeps trying while the database is away. */
  append(lines: readonly LogLine[], cut: number): Promise<boolean>;
  /** Called when `append` said false, or failed for good. */
  on_refused(cause: unknown): void;
};

const FLUSH_MS = 200;
const BATCH_LINES = 500;
const BATCH_BYTES = 256 * 1024;
const WAITING_LINES = 2_000;
const WAITING_BYTES = 4 * 1024 * 1024;
const TAIL_BYTES = 64 * 1024;

/**
 * What a task prints, on its way to `instance_logs`: numbered from 1 without gaps, in order of arrival, stored within 200 ms or 500 lines.
 * The first `cap_bytes` (newlines counted) are kept. From the first line that does not fit, all output is cut: counted, and its last 64 KB kept for
 * `instances.logs`. A closing system line says exactly how much. System lines are never cut. A writer that lost its lease drops everything.
 */
export class LogWriter implements EngineLog {
  readonly lines_before: number;
  private readonly options: LogOptions;
  private readonly splitters = { stdout: createLineSplitter(), stderr: createLineSplitter() };
  private readonly ending = new LogTail(TAIL_BYTES);
  private waiting: LogLine[] = [];
  private waiting_bytes = 0;
  private next_seq: number;
  private stored_bytes: number;
  private cut_lines: number;
  private said_cut: number;
  private cut_bytes = 0;
  private refused = false;
  private timer: NodeJS.Timeout | null = null;
  private pumping: Promise<void> | null = null;

  constructor(options: LogOptions) {
    this.options = options;
    const { start } = options;
    this.lines_before = start.lines_before;
    this.next_seq = start.next_seq;
    this.stored_bytes = start.stored_bytes;
    this.cut_lines = start.lines_cut;
    this.said_cut = start.lines_cut;
    for (const line of start.tail) this.ending.push(line);
  }

  async write(stream: 'stdout' | 'stderr', chunk: Buffer): Promise<void> {
    for (const piece of this.splitters[stream].push(chunk)) this.accept(stream, piece.text);
    await this.room();
  }

  async system(line: string): Promise<void> {
    this.accept('system', line.replaceAll('\0', '\uFFFD'));
    await this.room();
  }

  /**
   * Stores what is left. `complete` false: the output goes on in a later execution, so an unfinished line is left for that one to read again.
   * @returns the last 64 KB of everything, or null when nothing was printed
   */
  async close(complete: boolean): Promise<string | null> {
    if (complete) this.finishLines();
    // Lines on their way count as well: an instance must not end before they are stored, or they would come too late.
    while (this.pumping || this.hasMore()) await (this.pumping ?? this.pump());
    if (this.timer) clearTimeout(this.timer);
    return this.ending.text();
  }

  private finishLines(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      for (const piece of this.splitters[stream].flush()) this.accept(stream, piece.text);
    }
    if (this.cut_lines === 0) return;
    const bytes = this.options.start.lines_cut > 0 ? `at least ${this.cut_bytes}` : `${this.cut_bytes}`;
    this.accept(
      'system',
      `log cut: ${this.cut_lines} lines (${bytes} bytes) after the first ${this.stored_bytes} bytes are not stored; the last 64 KB are in the instance's logs field`,
    );
  }

  private accept(stream: LogLine['stream'], text: string): void {
    if (this.refused) return;
    const line = this.options.mask.text(text);
    const size = Buffer.byteLength(line) + 1;
    this.ending.push(line);
    if (stream !== 'system' && !this.fits(size)) return;
    this.waiting.push({ seq: this.next_seq++, stream, line });
    this.waiting_bytes += size;
  }

  /** Counts a line of output as stored or as cut; after the first cut one, none is stored. */
  private fits(size: number): boolean {
    if (this.cut_lines === 0 && this.stored_bytes + size <= this.options.cap_bytes) {
      this.stored_bytes += size;
      return true;
    }
    this.cut_lines += 1;
    this.cut_bytes += size;
    return false;
  }

  private hasMore(): boolean {
    return !this.refused && (this.waiting.length > 0 || this.cut_lines > this.said_cut);
  }

  /** Sees to it that lines get stored; the promise is pending as long as too many wait. */
  private async room(): Promise<void> {
    if (this.waiting.length >= BATCH_LINES || this.waiting_bytes >= BATCH_BYTES) void this.pump();
    else if (this.hasMore()) this.timer ??= setTimeout(() => void this.pump(), FLUSH_MS);
    while (!this.refused && (this.waiting.length > WAITING_LINES || this.waiting_bytes > WAITING_BYTES)) await this.pump();
  }

  private pump(): Promise<void> {
    this.pumping ??= this.storeBatch().finally(() => {
      this.pumping = null;
      if (this.hasMore()) this.timer ??= setTimeout(() => void this.pump(), this.waiting.length >= BATCH_LINES ? 0 : FLUSH_MS);
    });
    return this.pumping;
  }

  private async storeBatch(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const lines = this.takeBatch();
    const cut = this.cut_lines;
    if (lines.length === 0 && cut === this.said_cut) return;
    this.said_cut = cut;
    try {
      if (!(await this.options.append(lines, cut))) this.refuse(null);
    } catch (cause) {
      this.refuse(cause);
    }
  }

  private takeBatch(): LogLine[] {
    let bytes = 0;
    let count = 0;
    while (count < this.waiting.length && count < BATCH_LINES && bytes < BATCH_BYTES) {
      bytes += Buffer.byteLength((this.waiting[count] as LogLine).line) + 1;
      count += 1;
    }
    this.waiting_bytes -= bytes;
    return this.waiting.splice(0, count);
  }

  private refuse(cause: unknown): void {
    this.refused = true;
    this.waiting = [];
    this.options.on_refused(cause);
  }
}
