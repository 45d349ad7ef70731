import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import { insist } from '../activities/patience.ts';
import { LogIngest } from '../commands/ingest-log.ts';
import { endLogSource, type LogSource } from '../commands/open-log-source.ts';
import type { Logger } from '../config/logger.ts';
import { PartJoiner } from '../core/logs/line-reader.ts';
import { isAway, reasonOf, statusOf } from '../engines/docker/client.ts';
import { containerPieces, type LogPiece } from '../engines/docker/container-lines.ts';
import type { ReadPosition } from '../entities/container-log-source.ts';
import type { Em } from '../entities/sql.ts';

export type FollowerDeps = { docker: Docker; fork(): Em; logger: Logger };

const SAVE_MS = 1_000;
/** Entries that nothing was added to for so long are over. */
const SILENT_MS = 1_000;
/** The Engine files the lines of both streams almost in order: so far back it is looked for the last line that was read. */
const OVERLAP_S = 2;
const MOST_HELD = 10_000;
const CATCH_UP_MS = 5_000;

const markOf = ({ stamp, stream, text }: LogPiece): string =>
  createHash('sha256').update(`${stamp}|${stream}|${text}`).digest('base64url').slice(0, 16);

/** Passes over what an earlier reading took: everything up to its last line, or, when that is gone, up to its stamp. */
class CatchUp {
  private readonly from: ReadPosition | null;
  private readonly began = performance.now();
  private held: LogPiece[] = [];
  private seen = 0;
  private done: boolean;

  constructor(from: ReadPosition | null) {
    this.from = from?.mark ? from : null;
    this.done = this.from === null;
  }

  /** What of the piece, and of those held before it, is new. */
  pass(piece: LogPiece): LogPiece[] {
    if (this.done) return [piece];
    const { mark, repeats, stamp } = this.from as ReadPosition;
    if (markOf(piece) === mark) {
      this.seen += 1;
      if (this.seen === repeats) {
        this.done = true;
        this.held = [];
      }
      return [];
    }
    if (piece.stamp > (stamp ?? '')) this.held.push(piece);
    return this.held.length >= MOST_HELD || performance.now() - this.began > CATCH_UP_MS ? this.release() : [];
  }

  /** The last line is not there any more: what came after its stamp is new. */
  release(): LogPiece[] {
    const held = this.done ? [] : this.held;
    this.done = true;
    this.held = [];
    return held;
  }
}

/** Reads one container's log into segments until the container ends, beginning where an earlier reading stopped. */
export class LogFollower {
  private readonly deps: FollowerDeps;
  private readonly source: LogSource;
  private readonly stopping = new AbortController();
  private readonly joiner = new PartJoiner();
  private readonly over: Promise<void>;
  private last: ReadPosition | null;

  constructor(deps: FollowerDeps, source: LogSource) {
    this.deps = deps;
    this.source = source;
    this.last = source.position;
    this.over = this.run().catch((cause: unknown) =>
      deps.logger.warn({ err: cause, source: source.id }, 'reading a container log was interrupted'),
    );
  }

  /** Resolves when it reads no more: the container has ended, or it was stopped. */
  get closed(): Promise<void> {
    return this.over;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.over;
  }

  private async run(): Promise<void> {
    const container = this.deps.docker.getContainer(this.source.container_id);
    const info = await container.inspect().catch((cause: unknown) => this.unreadable(cause));
    if (!info) return;
    const ingest = await LogIngest.open(this.deps.fork, this.source);
    const timer = setInterval(() => void this.save(ingest, Date.now() - SILENT_MS), SAVE_MS);
    try {
      const since_s = this.last?.stamp ? Math.floor(Date.parse(this.last.stamp) / 1000) - OVERLAP_S : 0;
      const reading = { tty: info.Config.Tty, follow: info.State.Running, since_s, signal: this.stopping.signal };
      await this.read(containerPieces(container, reading), ingest);
    } catch (cause) {
      if (this.stopping.signal.aborted || isAway(cause)) return;
      await this.unreadable(cause);
      return;
    } finally {
      clearInterval(timer);
      await this.saving;
      if (!this.stopping.signal.aborted) await this.save(ingest);
    }
    await this.finish(ingest);
  }

  private async read(pieces: AsyncIterable<LogPiece>, ingest: LogIngest): Promise<void> {
    const catching = new CatchUp(this.last);
    for await (const piece of pieces) {
      for (const fresh of catching.pass(piece)) this.take(fresh, ingest);
      if (ingest.full) await this.save(ingest);
    }
    for (const fresh of catching.release()) this.take(fresh, ingest);
  }

  private take(piece: LogPiece, ingest: LogIngest): void {
    const mark = markOf(piece);
    const repeats = this.last?.mark === mark ? this.last.repeats + 1 : 1;
    this.last = { line: ingest.line + 1, stamp: piece.stamp, mark, repeats };
    const time = Number.isNaN(piece.time) ? null : piece.time;
    const whole = this.joiner.add({ text: piece.text, stream: piece.stream, time, source: null, partial: piece.partial });
    if (whole) ingest.take({ number: ingest.line + 1, ...whole }, this.last);
  }

  private saving: Promise<void> | null = null;

  /** One save at a time; while the database is away it waits, and so does the reading. */
  private async save(ingest: LogIngest, silent_since?: number): Promise<void> {
    if (this.saving !== null) return await this.saving;
    if (silent_since !== undefined) ingest.settle(silent_since);
    if (!ingest.dirty) return;
    const { logger } = this.deps;
    this.saving = insist(() => ingest.save(), { what: 'store log segments', logger, signal: this.stopping.signal })
      .catch(() => undefined)
      .finally(() => {
        this.saving = null;
      });
    await this.saving;
  }

  /** The stream has ended: so has the container, or the daemon broke off and the reading is taken up again. */
  private async finish(ingest: LogIngest): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const state = await this.deps.docker
      .getContainer(this.source.container_id)
      .inspect()
      .then(
        (info) => (info.State.Running ? 'running' : 'ended'),
        (cause: unknown) => (statusOf(cause) === 404 ? 'ended' : 'unknown'),
      );
    if (state !== 'ended') return;
    for (const rest of this.joiner.flush()) ingest.take({ number: ingest.line + 1, ...rest }, this.last);
    ingest.settle();
    await this.save(ingest);
    await endLogSource(this.deps.fork(), this.source.id, null);
  }

  private async unreadable(cause: unknown): Promise<null> {
    if (isAway(cause)) return null;
    const gone = statusOf(cause) === 404;
    const error = gone && this.source.lines > 0 ? null : `its log cannot be read: ${reasonOf(cause)}`;
    await endLogSource(this.deps.fork(), this.source.id, error);
    return null;
  }
}
