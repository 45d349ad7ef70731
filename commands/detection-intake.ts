import type { SessionRules } from '../core/detection/session.ts';
import { DEFAULT_LIFE } from '../core/detection/violations.ts';
import { EngineError } from '../core/errors.ts';
import { DetectionWriter, type WriterOptions } from '../engines/detection/detection-writer.ts';
import { type OpenedSession, openSession, type Sender } from '../entities/detection-session.queries.ts';
import type { Em } from '../entities/sql.ts';

const KNOWN_MS = 60_000;
const MOST_KNOWN = 5_000;
/** What bodies that are being read may take together. */
const MOST_READING = 128 * 2 ** 20;

/** How frames are judged unless somebody says otherwise; `interval` 1: all of them become records. */
export const DEFAULT_RULES: SessionRules = { ...DEFAULT_LIFE, interval: 1, min_iou: 0.3 };

type Known = OpenedSession & { until: number };

/** Takes detections that are posted: the writer of this process, and the sessions that it has seen lately, so that a batch costs no look for them. */
export class DetectionIntake {
  readonly writer: DetectionWriter;
  private reading = 0;
  private readonly known = new Map<string, Known>();

  constructor(options: WriterOptions) {
    this.writer = new DetectionWriter(options);
  }

  /**
   * All or nothing: what has no room as a whole is not taken in part.
   * @throws EngineError too_many: with `retry_after_s`
   */
  refuseWhenFull(weight: number): void {
    if (this.writer.hasRoom(weight) && this.reading < MOST_READING) return;
    const detail = `detections: ${this.writer.waiting} frames wait to be stored, and there is no room for more now; nothing was taken`;
    throw new EngineError('too_many', detail, { details: { retry_after_s: this.writer.retryAfterS() } });
  }

  /** Reads a body whole, unless bodies that are being read take too much already. @throws EngineError too_many */
  async read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of stream) {
        chunks.push(chunk);
        bytes += chunk.length;
        this.reading += chunk.length;
        this.refuseWhenFull(0);
      }
      return Buffer.concat(chunks);
    } finally {
      this.reading -= bytes;
    }
  }

  /** As `openSession`, asked at most once a minute. @throws EngineError forbidden */
  async session(em: Em, sender: Sender, place: { camera_id: string; session: string; interval: number | null }): Promise<OpenedSession> {
    const key = JSON.stringify([sender.sees_all ? null : sender.user_id, place.camera_id, place.session]);
    const known = this.known.get(key);
    if (known && known.until > performance.now()) return known;
    const rules = { ...DEFAULT_RULES, interval: place.interval ?? DEFAULT_RULES.interval };
    const opened = await openSession(em, sender, { camera_id: place.camera_id, session: place.session, rules, task_id: null });
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(key, { ...opened, until: performance.now() + KNOWN_MS });
    return opened;
  }

  /** Sessions that turned out to be gone are looked for again. */
  forget(): void {
    this.known.clear();
  }

  async stop(limit_ms: number): Promise<void> {
    await this.writer.stop(limit_ms);
  }
}
