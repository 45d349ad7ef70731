import { createFolderStore } from '../artifacts/folder-store.ts';
import { databaseSizeMb } from '../commands/report-database.ts';
import { type ArchiveSettings, archivePolicy, type RetentionSettings, retentionPolicy } from '../commands/retention-policy.ts';
import { forgetKeys, type RetentionEnd, type RetentionOptions, runRetention, scheduleRetention } from '../commands/run-retention.ts';
import type { Config } from '../config/env.ts';
import { latestDaily } from '../core/retention.ts';
import { nextRetentionRun } from '../entities/retention-run.queries.ts';
import { query } from '../entities/sql.ts';
import { openDatabase } from '../platform/open-database.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';
import { RecurringWork } from './recurring-work.ts';

const LOOK_EVERY_MS = 5_000;
const FORGET_EVERY_MS = 600_000;
/** Rows of a table removed, dead or changed since the planner's figures that make it worth vacuuming. */
const VACUUM_FROM = 1_000;

const WORN = `select case when schemaname = 'partitions' then 'partitions.' else '' end || quote_ident(relname) as name from pg_stat_user_tables
  where schemaname in (current_schema(), 'partitions') and (n_dead_tup >= $1 or n_mod_since_analyze >= $1) order by 1`;

type Deps = Pick<DispatcherDeps, 'fork' | 'database_url' | 'logger'> & {
  config: RetentionSettings & ArchiveSettings & Pick<Config, 'RETENTION_AT' | 'ARTIFACTS_DIR' | 'DATABASE_WARN_MB' | 'DETECTION_ARCHIVE'>;
};
/**
 * Removes what is old: the daily run, runs that were asked for, and runs that a killed process left open; idempotency keys every ten minutes.
 * One dispatcher at a time does it; the others look on and take over when its connection ends.
 */
export class Housekeeper extends RecurringWork {
  private readonly deps: Deps;
  private scheduled = 0;
  private forgot_at = -Infinity;

  constructor(deps: Deps) {
    super({ every_ms: LOOK_EVERY_MS, failure: 'housekeeping was interrupted; it is tried again', warns: true, logger: deps.logger });
    this.deps = deps;
  }

  protected async work(now: Date): Promise<void> {
    await this.schedule(now);
    const keys_due = performance.now() - this.forgot_at >= FORGET_EVERY_MS;
    if (!keys_due && (await nextRetentionRun(this.deps.fork())) === null) return;
    await withLock(this.deps.database_url, 'orchestrator.retention', () => this.clean(keys_due));
    if (keys_due) this.forgot_at = performance.now();
  }

  private async schedule(now: Date): Promise<void> {
    const { RETENTION_AT } = this.deps.config;
    if (RETENTION_AT === 'off') return;
    const due = latestDaily(RETENTION_AT, now);
    if (due.getTime() === this.scheduled) return;
    await scheduleRetention(this.deps.fork(), due);
    this.scheduled = due.getTime();
  }

  private async clean(keys_due: boolean): Promise<void> {
    const { fork, config, logger } = this.deps;
    const artifacts = createFolderStore(config.ARTIFACTS_DIR);
    const options: RetentionOptions = {
      fork: () => fork(),
      policy: retentionPolicy(config),
      signal: this.stopping,
      archive: { policy: archivePolicy(config), artifacts },
      detections: { artifacts, archive: config.DETECTION_ARCHIVE },
    };
    if (keys_due) {
      await this.weigh();
      const forgotten = await forgetKeys(options);
      if (forgotten > 0) logger.info({ forgotten }, 'idempotency keys forgotten');
    }
    for (let id = await nextRetentionRun(fork()); id !== null && !options.signal.aborted; id = await nextRetentionRun(fork())) {
      logger.info({ run: id }, 'retention begins');
      const end = await runRetention(id, options);
      this.report(id, end);
      await this.vacuum(end.removed);
    }
  }

  /** Says when the database has grown beyond what it was said to. */
  private async weigh(): Promise<void> {
    const { fork, config, logger } = this.deps;
    const size_mb = await databaseSizeMb(fork());
    if (config.DATABASE_WARN_MB === 0 || size_mb < config.DATABASE_WARN_MB) return;
    logger.warn(
      { size_mb, warn_mb: config.DATABASE_WARN_MB },
      'the database is larger than DATABASE_WARN_MB: look at GET /api/v1/admin/database',
    );
  }

  /**
   * VACUUM and ANALYZE after each run, so at least daily: makes the room of removed rows usable at once, and the planner's figures true; autovacuum
   * would come later, or not at all to tables that only grow. Told to stop, it is broken off.
   */
  private async vacuum(removed: Record<string, number>): Promise<void> {
    const tables = new Set(Object.entries(removed).flatMap(([table, n]) => (n >= VACUUM_FROM ? [table] : [])));
    for (const { name } of await query<{ name: string }>(this.deps.fork(), WORN, [VACUUM_FROM])) tables.add(name);
    tables.delete('container_log_segment'); // its months are dropped whole; the partitions stand in the list by their own names
    if (tables.size === 0 || this.stopping.aborted) return;
    const client = await openDatabase(this.deps.database_url, 'orchestrator vacuum');
    const leave = () => void client.end().catch(() => undefined);
    this.stopping.addEventListener('abort', leave, { once: true });
    try {
      for (const table of tables) await client.query(`vacuum (analyze) ${table}`);
    } finally {
      this.stopping.removeEventListener('abort', leave);
      await client.end().catch(() => undefined);
    }
  }

  private report(run: number, { status, removed, error }: RetentionEnd): void {
    if (status === 'failed') this.deps.logger.error({ run, removed, error }, 'retention failed');
    else this.deps.logger.info({ run, removed }, `retention ${status}`);
  }
}
