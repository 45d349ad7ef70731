import { videoProgress } from '../../core/video/progress.ts';
import type { EngineContext } from '../define-engine.ts';
import { noteProgress } from './rows.ts';

/** Pause between two writes of the progress, in ms; whoever follows a video sees it move, and the row is not written all the time. */
const WRITE_EVERY_MS = 500;

/** How far one video is: scenes done, parts of those under way, the joining. Written when the whole percent rises. */
export class VideoProgress {
  private readonly context: EngineContext;
  private readonly fractions = new Map<number, number>();
  private total = 0;
  private done = new Set<number>();
  private joined = 0;
  private written = 0;
  private wrote_at = -Infinity;
  private writing: Promise<void> = Promise.resolve();

  constructor(context: EngineContext) {
    this.context = context;
  }

  /** Percent, as `core/video/progress.ts` counts. */
  get percent(): number {
    const open = [...this.fractions].filter(([scene]) => !this.done.has(scene)).map(([, fraction]) => fraction);
    return videoProgress({ scripted: this.total > 0, total: this.total, done: this.done.size, fractions: open, joined: this.joined });
  }

  begin(total: number, done: readonly number[]): void {
    this.total = total;
    this.done = new Set(done);
    this.say(`${this.done.size} of ${total} scenes`);
  }

  /** A scene under way: 0 to 1. A repeated attempt starts below where the one before ended; the stored percent does not fall. */
  part(scene: number, fraction: number): void {
    this.fractions.set(scene, fraction);
    this.say(`scene ${scene} of ${this.total}`);
    this.write();
  }

  finish(scene: number): void {
    this.done.add(scene);
    this.say(`${this.done.size} of ${this.total} scenes`);
  }

  join(fraction: number): void {
    this.joined = fraction;
    this.say('joining');
    this.write();
  }

  /** Waits for a write under way. */
  async settle(): Promise<void> {
    await this.writing;
  }

  private say(note: string): void {
    this.context.progress(this.percent, note);
  }

  /** A write that fails changes nothing: a lost lease and a lost database are noticed by those whose business they are. */
  private write(): void {
    const { percent } = this;
    const now = performance.now();
    if (percent <= this.written || now - this.wrote_at < WRITE_EVERY_MS || this.context.signal.aborted) return;
    this.written = percent;
    this.wrote_at = now;
    const { task_id } = this.context.instance;
    this.writing = this.writing.then(() => this.context.fenced((em) => noteProgress(em, task_id, percent)).catch(() => undefined));
  }
}
