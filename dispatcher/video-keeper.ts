import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { refreshStatistics } from '../commands/refresh-statistics.ts';
import { removeOrphanedFiles } from '../commands/remove-video-files.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';

const LOOK_EVERY_MS = 5_000;
const COUNT_EVERY_MS = 600_000;

type Deps = Pick<DispatcherDeps, 'fork' | 'database_url' | 'logger'> & { artifacts: ArtifactStore };

/**
 * Removes files of videos that belong to no task any more, and stores the daily statistics. Several dispatchers may do it at once: a file goes once
 * whoever removes it; the statistics are counted by one at a time.
 */
export class VideoKeeper {
  private readonly deps: Deps;
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> | null = null;
  private counted_at = -Infinity;
  private well = true;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), LOOK_EVERY_MS);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.stopping.abort();
    await this.working;
  }

  /** Does what is due. Never rejects. */
  async tick(now: Date = new Date()): Promise<void> {
    this.working ??= this.work(now)
      .then(
        () => this.note(true, null),
        (cause: unknown) => this.note(false, cause),
      )
      .finally(() => {
        this.working = null;
      });
    await this.working;
  }

  private note(well: boolean, cause: unknown): void {
    if (!well && this.well) this.deps.logger.warn({ err: cause }, 'keeping videos was interrupted; it is tried again');
    this.well = well;
  }

  private async work(now: Date): Promise<void> {
    const { fork, artifacts, logger, database_url } = this.deps;
    const removed = await removeOrphanedFiles(() => fork(), artifacts, this.stopping.signal);
    if (removed > 0) logger.info({ removed }, 'files of videos removed');
    if (performance.now() - this.counted_at < COUNT_EVERY_MS || this.stopping.signal.aborted) return;
    await withLock(database_url, 'orchestrator.statistics', async () => void (await refreshStatistics(fork(), now)));
    this.counted_at = performance.now();
  }
}
