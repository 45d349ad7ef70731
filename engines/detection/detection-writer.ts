import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EngineError } from '../../core/errors.ts';
import { updateHourlyStatistics } from '../../entities/camera-statistics.queries.ts';
import { ensurePartitions } from '../../entities/detection-record.queries.ts';
import type { Em } from '../../entities/sql.ts';
import { FrameQueue, type Slice } from './frame-queue.ts';
import { isPassing } from './passing-fault.ts';
import { type FrameGroup, type SavedGroup, saveFrames } from './save-frames.ts';

export type WriterOptions = {
  fork(): Em;
  logger: Logger;
  /** The most that may wait, see `weightOf`. */
  max_weight: number;
};

const BATCH_FRAMES = 500;
/** How long frames that nobody waits for are gathered. */
const LINGER_MS = 200;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const STATISTICS_MS = 2_000;
const DAY_MS = 86_400_000;
const KNOWN_DAYS = 1_000;

/**
 * Stores frames in the background, one transaction at a time, so that no detector ever waits for the database unless the queue is full. While the database is
 * away it keeps what it has and tries again for ever; what is pushed is stored, or its sender is told. One for each process.
 */
export class DetectionWriter {
  private readonly options: WriterOptions;
  private readonly queue: FrameQueue;
  private readonly days = new Set<number>();
  /** Set and cleared in the same breath as the queue is looked at, so that no push is left lying. */
  private is_pumping = false;
  private pumping: Promise<void> = Promise.resolve();
  /** Ends the gathering of a batch. */
  private gathered: (() => void) | null = null;
  private statistics: NodeJS.Timeout | null = null;
  private refreshing: Promise<void> = Promise.resolve();
  private stopping = false;
  private readonly given_up = new AbortController();
  private failing = false;

  constructor(options: WriterOptions) {
    this.options = options;
    this.queue = new FrameQueue(options.max_weight);
  }

  /** Frames that wait. */
  get waiting(): number {
    return this.queue.frames;
  }

  /** Whether so much more may be pushed now. */
  hasRoom(weight: number): boolean {
    return !this.stopping && this.queue.hasRoom(weight);
  }

  /** Resolves when something may be pushed again. @throws EngineError unavailable: it is stopping */
  async room(signal: AbortSignal): Promise<void> {
    while (!this.hasRoom(0) && !signal.aborted) {
      if (this.stopping) throw stoppingError();
      await this.queue.changed(signal);
    }
  }

  /** In how many seconds a full queue will have room, judged by how fast it was lately. */
  retryAfterS(): number {
    return this.queue.drainS();
  }

  /**
   * Hands frames over; what is asked for first is stored first.
   * @param urgent somebody waits for the answer: it is not gathered with others
   * @returns once it is stored
   * @throws EngineError unavailable: stopped before; internal: the database refuses it for good
   */
  async push(group: FrameGroup, { urgent }: { urgent: boolean }): Promise<SavedGroup> {
    if (this.stopping) throw stoppingError();
    const saved = this.queue.add(group, urgent);
    if (!this.is_pumping) this.pumping = this.pump();
    this.gathered?.();
    return await saved;
  }

  /** Stores what waits, for at most `limit_ms`; whoever waits for the rest is told that it is not stored. */
  async stop(limit_ms: number): Promise<void> {
    this.stopping = true;
    this.gathered?.();
    const late = setTimeout(() => this.giveUp(), limit_ms);
    await this.pumping;
    clearTimeout(late);
    if (this.statistics) await this.refresh();
    await this.refreshing;
  }

  private giveUp(): void {
    this.given_up.abort();
    this.queue.refuse(stoppingError());
  }

  private async pump(): Promise<void> {
    this.is_pumping = true;
    while (this.queue.frames > 0 && !this.given_up.signal.aborted) {
      const wait_ms = this.stopping ? 0 : this.queue.lingerMs(BATCH_FRAMES, LINGER_MS);
      if (wait_ms > 0) await this.gather(wait_ms);
      else await this.store(this.queue.take(BATCH_FRAMES));
    }
    this.is_pumping = false;
  }

  private async gather(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.gathered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.gathered = null;
  }

  /** Tries until it is stored, or refused for good. */
  private async store(slices: readonly Slice[]): Promise<void> {
    const began = performance.now();
    for (let wait = FIRST_PAUSE_MS; !this.given_up.signal.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
      try {
        await this.attempt(slices);
        this.note(null);
        this.queue.noteStored(slices, performance.now() - began);
        return;
      } catch (cause) {
        if (!isPassing(cause)) return await this.isolate(slices, cause);
        this.note(cause);
        await pause(wait, undefined, { signal: this.given_up.signal }).catch(() => undefined);
      }
    }
  }

  private async attempt(slices: readonly Slice[]): Promise<void> {
    const { fork } = this.options;
    await this.makePartitions(slices);
    const { groups, touched_hours } = await saveFrames(
      fork(),
      slices.map(({ part }) => part),
    );
    for (const [i, slice] of slices.entries()) slice.settle(groups[i] as SavedGroup);
    if (touched_hours) this.statistics ??= setTimeout(() => void this.refresh(), STATISTICS_MS);
  }

  /** A group that the database refuses must not keep the others: each is tried by itself, and whoever sent the bad one is told. */
  private async isolate(slices: readonly Slice[], cause: unknown): Promise<void> {
    if (slices.length > 1) {
      for (const slice of slices) await this.store([slice]);
      return;
    }
    this.options.logger.error({ err: cause, session_id: slices[0]?.part.session_id }, 'frames cannot be stored');
    for (const slice of slices) slice.fail(new EngineError('internal', 'the frames cannot be stored', { cause }));
  }

  /** Without a partition of its own, a day's rows go to the default one and are moved later; so a failure here is no reason to stop. */
  private async makePartitions(slices: readonly Slice[]): Promise<void> {
    const days = new Set(slices.flatMap(({ part }) => part.frames.map(({ timestamp }) => Math.floor(timestamp / DAY_MS) * DAY_MS)));
    const unknown = [...days].filter((day) => !this.days.has(day));
    if (unknown.length === 0) return;
    if (this.days.size > KNOWN_DAYS) this.days.clear();
    await ensurePartitions(this.options.fork(), unknown).catch((cause: unknown) => {
      this.options.logger.debug({ err: cause }, 'partitions could not be made; the default one is used');
    });
    for (const day of unknown) this.days.add(day);
  }

  /** Computes hours again a moment after frames came for them. What fails here is done by the next one who looks. */
  private async refresh(): Promise<void> {
    if (this.statistics) clearTimeout(this.statistics);
    this.statistics = null;
    this.refreshing = this.refreshing
      .then(() => updateHourlyStatistics(this.options.fork()))
      .then(
        () => undefined,
        (cause: unknown) => this.options.logger.debug({ err: cause }, 'hourly statistics could not be computed now'),
      );
    await this.refreshing;
  }

  private note(cause: unknown): void {
    const failing = cause !== null;
    if (failing && !this.failing)
      this.options.logger.warn({ err: cause, waiting: this.waiting }, 'frames cannot be stored now; they are kept and tried again');
    if (!failing && this.failing) this.options.logger.info('frames are stored again');
    this.failing = failing;
  }
}

const stoppingError = (): EngineError => new EngineError('unavailable', 'detections: this process is stopping; send the frames again');
