import type { OpenViolation } from '../../core/detection/violations.ts';
import { isWatched, publishPicture } from '../../entities/camera-live.queries.ts';
import { keepSnapshot } from '../../entities/violation-event.queries.ts';
import type { EngineContext } from '../define-engine.ts';

type Surroundings = Pick<EngineContext, 'em' | 'artifacts' | 'logger'>;

/** Pictures of frames that are on their way into the database: more are forgotten, oldest first. */
const MOST_WAITING = 50;
/** How often viewers get a picture at most, and how often it is asked whether there are any. */
const SHOW_MS = 150;
const ASK_MS = 1_000;

const snapshotKey = (violation_id: string): string => `snapshots/${violation_id}.jpg`;

/**
 * What becomes of a detector's pictures: the latest is shown to whoever watches the camera, and that with which a violation opens is kept. Neither is waited for by the
 * detector, and neither fails a run.
 */
export class Pictures {
  private readonly context: Surroundings;
  private readonly camera_id: string;
  private readonly waiting = new Map<number, Buffer>();
  private readonly keeping = new Set<Promise<void>>();
  private showing: Promise<void> | null = null;
  private shown_at = Number.NEGATIVE_INFINITY;
  private rest_until = Number.NEGATIVE_INFINITY;

  constructor(context: Surroundings, camera_id: string) {
    this.context = context;
    this.camera_id = camera_id;
  }

  /** The picture of a frame that is about to be stored. */
  take(frame_number: number, picture: Buffer): void {
    this.waiting.set(frame_number, picture);
    for (const oldest of this.waiting.keys()) {
      if (this.waiting.size <= MOST_WAITING) break;
      this.waiting.delete(oldest);
    }
    this.show(picture);
  }

  /** Frames up to this one are stored, and opened these violations. */
  stored(frame_number: number, opened: readonly OpenViolation[]): void {
    for (const { id, opened_frame } of opened) {
      const picture = this.waiting.get(opened_frame);
      if (picture) this.keep(id, picture);
    }
    for (const known of this.waiting.keys()) if (known <= frame_number) this.waiting.delete(known);
  }

  /** Waits for what is being kept. */
  async settled(): Promise<void> {
    await Promise.all([...this.keeping, this.showing]);
  }

  /** First the row, then the file: so a crash leaves no file that nobody knows of. */
  private keep(violation_id: string, picture: Buffer): void {
    const key = snapshotKey(violation_id);
    const kept = keepSnapshot(this.context.em(), violation_id, key)
      .then(() => this.context.artifacts.put(key, picture))
      .catch((cause: unknown) => this.context.logger.warn({ err: cause, violation_id }, 'the picture of a violation could not be kept'))
      .then(() => undefined);
    this.keeping.add(kept);
    void kept.finally(() => this.keeping.delete(kept));
  }

  private show(picture: Buffer): void {
    const now = performance.now();
    if (this.showing || now < this.rest_until || now - this.shown_at < SHOW_MS) return;
    this.shown_at = now;
    this.showing = this.publish(picture)
      .catch(() => undefined)
      .finally(() => {
        this.showing = null;
      });
  }

  private async publish(picture: Buffer): Promise<void> {
    if (await isWatched(this.context.em(), this.camera_id)) await publishPicture(this.context.em(), this.camera_id, picture);
    else this.rest_until = performance.now() + ASK_MS;
  }
}
