import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { refreshStatistics } from '../commands/refresh-statistics.ts';
import { removeOrphanedFiles } from '../commands/remove-video-files.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';
import { RecurringWork } from './recurring-work.ts';

const LOOK_EVERY_MS = 5_000;
const COUNT_EVERY_MS = 600_000;

type Deps = Pick<DispatcherDeps, 'fork' | 'database_url' | 'logger'> & { artifacts: ArtifactStore };

/**
 * Removes files of videos that belong to no task any more, and stores the daily statistics. Several dispatchers may do it at once: a file goes once
 * whoever removes it; the statistics are counted by one at a time.
 */
export class VideoKeeper extends RecurringWork {
  private readonly deps: Deps;
  private counted_at = -Infinity;

  constructor(deps: Deps) {
    super({ every_ms: LOOK_EVERY_MS, failure: 'keeping videos was interrupted; it is tried again', warns: true, logger: deps.logger });
    this.deps = deps;
  }

  protected async work(now: Date): Promise<void> {
    const { fork, artifacts, logger, database_url } = this.deps;
    const removed = await removeOrphanedFiles(() => fork(), artifacts, this.stopping);
    if (removed > 0) logger.info({ removed }, 'files of videos removed');
    if (performance.now() - this.counted_at < COUNT_EVERY_MS || this.stopping.aborted) return;
    await withLock(database_url, 'orchestrator.statistics', async () => void (await refreshStatistics(fork(), now)));
    this.counted_at = performance.now();
  }
}
