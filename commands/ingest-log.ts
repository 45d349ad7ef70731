import type { NumberedLine, Segment } from '../core/logs/segment.ts';
import { Segmenter } from '../core/logs/segmenter.ts';
import { MINER_DEFAULTS, TemplateMiner } from '../core/logs/template-miner.ts';
import type { ReadPosition } from '../entities/container-log-source.ts';
import type { Em } from '../entities/sql.ts';
import { type LogSource, loadLogSource } from './open-log-source.ts';
import { SegmentStore } from './store-segments.ts';

/** Segments of one statement. */
const BATCH = 1_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Turns the lines of one source into stored segments: takes lines, stores batches, and begins where an earlier reading stopped. One at a time per source.
 */
export class LogIngest {
  private readonly store: SegmentStore;
  private readonly segmenter: Segmenter;
  private segments: Segment[] = [];
  private bytes = 0;
  private unstored = 0;
  /** Number of the last line taken. */
  private taken: number;
  private position: ReadPosition | null = null;
  /** New segments so far. */
  stored = 0;

  private constructor(store: SegmentStore, segmenter: Segmenter) {
    this.store = store;
    this.segmenter = segmenter;
    this.taken = store.source.lines;
  }

  static async open(fork: () => Em, source: LogSource): Promise<LogIngest> {
    const store = new SegmentStore(fork, source);
    const miner = new TemplateMiner();
    miner.restore(await store.clusters(MINER_DEFAULTS.clusters));
    const segmenter = new Segmenter({ reference: Math.floor(source.first_seen), miner });
    segmenter.restore(source.pending);
    return new LogIngest(store, segmenter);
  }

  get source_id(): number {
    return this.store.source.id;
  }

  get line(): number {
    return this.taken;
  }

  /** Takes a line; with `position`, where the carrier stands behind it. Lines that an earlier reading took are passed over by number. */
  take(line: NumberedLine, position: ReadPosition | null = null): void {
    if (line.number <= this.taken) return;
    this.taken = line.number;
    this.position = position;
    this.unstored += 1;
    const ended = this.segmenter.push(line);
    if (ended) this.add(ended);
  }

  /** Whether it is time to store. */
  get full(): boolean {
    return this.segments.length >= BATCH || this.bytes >= BATCH_BYTES;
  }

  /** Something was taken that is not stored. */
  get dirty(): boolean {
    return this.unstored > 0 || this.segments.length > 0;
  }

  /** Ends entries that nothing was added to since `silent_since` (carrier's clock; all without it). */
  settle(silent_since?: number): void {
    for (const segment of this.segmenter.flush(silent_since)) this.add(segment);
  }

  /** Stores what has ended, and where the reading stands. When that fails, nothing is lost: call it again. */
  async save(): Promise<void> {
    const [segments, bytes, unstored] = [this.segments, this.bytes, this.unstored];
    const batch = { segments, lines: this.taken, position: this.position, pending: this.segmenter.pending() };
    [this.segments, this.bytes, this.unstored] = [[], 0, 0];
    try {
      this.stored += await this.store.store(batch);
    } catch (cause) {
      this.segments = [...segments, ...this.segments];
      this.bytes += bytes;
      this.unstored += unstored;
      throw cause;
    }
  }

  private add(segment: Segment): void {
    this.segments.push(segment);
    this.bytes += segment.content.length;
  }
}

/** Reads lines to their end into a source that is read once. @returns lines read and segments that were new */
export async function ingestLines(
  fork: () => Em,
  source: LogSource,
  lines: AsyncIterable<readonly NumberedLine[]>,
): Promise<{ lines: number; stored: number }> {
  const fresh = { ...((await loadLogSource(fork(), source.id)) ?? source), lines: 0, pending: [] };
  const ingest = await LogIngest.open(fork, fresh);
  for await (const batch of lines) {
    for (const line of batch) ingest.take(line);
    if (ingest.full) await ingest.save();
  }
  ingest.settle();
  await ingest.save();
  return { lines: ingest.line, stored: ingest.stored };
}
