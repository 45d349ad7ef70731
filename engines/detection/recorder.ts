import type { Frame } from '../../core/detection/frame.ts';
import { EngineError } from '../../core/errors.ts';
import type { EngineContext } from '../define-engine.ts';
import type { DetectionWriter } from './detection-writer.ts';
import type { DetectedFrame } from './detector-line.ts';
import type { Pictures } from './pictures.ts';
import type { Owner, SavedGroup } from './save-frames.ts';

export type RecorderOptions = { writer: DetectionWriter; session_id: number; owner: Owner; signal: AbortSignal; pictures: Pictures };

/** What was handed over, and what of it was new. */
export type Recorded = { frames_read: number; frames_new: number };

const BATCH = 100;
const BATCH_MS = 200;

/**
 * Hands the frames of one run to the writer, without waiting for it unless its queue is full. `flush` waits until all of them are stored.
 * A frame that could not be stored is reported by the next call.
 */
export class Recorder {
  private readonly options: RecorderOptions;
  private batch: Frame[] = [];
  private begun = 0;
  private readonly waiting = new Set<Promise<void>>();
  private failure: unknown = null;
  readonly recorded: Recorded = { frames_read: 0, frames_new: 0 };

  constructor(options: RecorderOptions) {
    this.options = options;
  }

  /** @throws EngineError superseded: another execution owns the instance; whatever made an earlier frame fail */
  async take({ picture, timestamp, ...frame }: DetectedFrame): Promise<void> {
    if (this.failure) throw this.failure;
    if (picture) this.options.pictures.take(frame.frame_number, picture);
    if (this.batch.length === 0) this.begun = performance.now();
    this.batch.push({ ...frame, timestamp: timestamp ?? Date.now() });
    this.recorded.frames_read += 1;
    if (this.batch.length >= BATCH || performance.now() - this.begun >= BATCH_MS) this.send();
    if (!this.options.writer.hasRoom(0)) await this.options.writer.room(this.options.signal);
  }

  /** Called now and then, so that the frames of a slow detector do not wait for the next one. */
  tick(): void {
    if (this.batch.length > 0 && performance.now() - this.begun >= BATCH_MS) this.send();
  }

  /** @throws as `take` */
  async flush(): Promise<Recorded> {
    this.send();
    while (this.waiting.size > 0) await Promise.all(this.waiting);
    await this.options.pictures.settled();
    if (this.failure) throw this.failure;
    return this.recorded;
  }

  private send(): void {
    if (this.batch.length === 0) return;
    const { writer, session_id, owner } = this.options;
    const frames = this.batch;
    this.batch = [];
    const stored = writer.push({ session_id, frames, owner }, { urgent: false }).then(
      (saved) => this.note(saved, frames),
      (cause: unknown) => {
        this.failure ??= cause;
      },
    );
    this.waiting.add(stored);
    void stored.finally(() => this.waiting.delete(stored));
  }

  private note(saved: SavedGroup, frames: readonly Frame[]): void {
    const last = Math.max(...frames.map(({ frame_number }) => frame_number));
    if (saved.outcome === 'stored') this.options.pictures.stored(last, saved.opened);
    if (saved.outcome === 'stored') this.recorded.frames_new += saved.accepted;
    else if (saved.outcome === 'superseded') this.failure ??= new EngineError('superseded', 'another execution owns the instance');
    else this.failure ??= new EngineError('conflict', 'the session was removed while its frames came');
  }
}

/** Runs `work` while the recorder is told of the passing time. */
export async function ticking<T>(recorder: Recorder, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => recorder.tick(), BATCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

export const ownerOf = ({ instance }: EngineContext): Owner => ({ runid: instance.runid, execution: instance.execution });
