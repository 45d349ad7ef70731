import { isSettled, type LogEntry } from '../../core/flames/log-entry.ts';
import { type CachedAnswer, storeCached } from '../../entities/flames-cache.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { insertTaskLogs } from '../../entities/task-flames-log.queries.ts';
import type { EngineContext } from '../define-engine.ts';
import { Batcher } from './batcher.ts';
import { isSuperseded, whileAway } from './faults.ts';
import { filedBatches, writePart } from './log-files.ts';
import type { Tracker } from './tracker.ts';

type Row = { entry: LogEntry; kept: readonly CachedAnswer[] };

const MOST_ROWS = 200;
/** Copies are written when so many rows have gathered, or after so long. */
const COPY_ROWS = 200;
const COPY_MS = 10_000;
/** After a refusal the database is left alone for a moment; rows go to files meanwhile. */
const REST_MS = 1_000;
const PROGRESS_MS = 500;
const CATCH_UP_MS = 60_000;

export type RowStoreOptions = { context: EngineContext; task_id: string; scorer: string; cache_hours: number; tracker: Tracker };

/**
 * Keeps the rows of a run under way: in the table, and copies of them as parts among the artifacts. `put` resolves when the row would survive this
 * process. Where the table does not take rows, they are in a part at once, and the run goes on; `close` brings them in.
 */
export class RowStore {
  private readonly options: RowStoreOptions;
  private readonly rows = new Batcher<Row>((rows) => this.store(rows), MOST_ROWS);
  private uncopied: LogEntry[] = [];
  private copied_at = performance.now();
  private copying: Promise<void> = Promise.resolve();
  private parts = 0;
  private rest_until = 0;
  private told_at = Number.NEGATIVE_INFINITY;
  /** Rows that are in files only. */
  private behind: boolean;
  private complained = false;

  /** @param behind there are such rows from earlier executions */
  constructor(options: RowStoreOptions, behind: boolean) {
    this.options = options;
    this.behind = behind;
  }

  /** @throws EngineError superseded; what the database said, where files cannot be written either */
  async put(entry: LogEntry, kept: readonly CachedAnswer[] = []): Promise<void> {
    await this.rows.add({ entry, kept });
    if (isSettled(entry.status)) this.options.tracker.settle(entry.status, entry.cached);
  }

  /** Writes the copies that have gathered. */
  async flush(): Promise<void> {
    this.copySoon(true);
    await this.copying;
  }

  /** Brings everything into the table. @returns where the rows are now */
  async close(): Promise<'database' | 'files'> {
    await this.flush();
    if (!this.behind) return 'database';
    try {
      await whileAway(CATCH_UP_MS, () => this.catchUp());
      return 'database';
    } catch (cause) {
      if (isSuperseded(cause)) throw cause;
      this.options.context.logger.error(
        { err: cause },
        'log rows cannot be brought into the table; they stay in files and are repaired later',
      );
      await this.options.context.log.system('the log rows could not be stored in the table: they are kept in files and brought in later');
      return 'files';
    }
  }

  private async store(rows: readonly Row[]): Promise<void> {
    const entries = newestOf(rows.map(({ entry }) => entry));
    const failure = performance.now() < this.rest_until ? 'resting' : await this.intoTable(rows, entries);
    if (failure === null) {
      this.uncopied.push(...entries);
      this.copySoon(false);
      return;
    }
    this.behind = true;
    await this.intoPart(entries, failure);
  }

  /** @returns why not; null when it is done */
  private async intoTable(rows: readonly Row[], entries: readonly LogEntry[]): Promise<unknown> {
    const { context, task_id, scorer, cache_hours, tracker } = this.options;
    const kept = rows.flatMap((row) => row.kept);
    const tell = performance.now() - this.told_at > PROGRESS_MS;
    try {
      await context.fenced(async (em) => {
        await insertTaskLogs(em, task_id, { logs: entries, origin: { runid: context.instance.runid, scorer } });
        await storeCached(em, { user_id: context.instance.user_id, hours: cache_hours }, kept);
        if (tell) await tellProgress(em, task_id, tracker);
      });
      if (tell) this.told_at = performance.now();
      return null;
    } catch (cause) {
      if (isSuperseded(cause)) throw cause;
      this.rest_until = performance.now() + REST_MS;
      if (!this.complained) context.logger.warn({ err: cause }, 'log rows cannot be stored in the table; they go to files meanwhile');
      this.complained = true;
      return cause;
    }
  }

  private async intoPart(entries: readonly LogEntry[], failure: unknown): Promise<void> {
    const { context, task_id } = this.options;
    this.parts += 1;
    const { attempt, execution } = context.instance;
    try {
      await writePart(context.artifacts, { task_id, attempt, execution, n: this.parts }, entries);
    } catch (cause) {
      context.logger.error({ err: cause }, 'log rows can be stored neither in the table nor in files');
      throw failure instanceof Error ? failure : cause;
    }
  }

  /** Writes the copies that have gathered, behind the back of the calls; a copy that fails is no loss while the table has the rows. */
  private copySoon(now: boolean): void {
    const due = this.uncopied.length >= COPY_ROWS || performance.now() - this.copied_at > COPY_MS;
    if (this.uncopied.length === 0 || !(now || due)) return;
    const entries = this.uncopied;
    this.uncopied = [];
    this.copied_at = performance.now();
    this.copying = this.copying
      .then(() => this.intoPart(entries, null))
      .catch((cause: unknown) => this.options.context.logger.warn({ err: cause }, 'a copy of log rows could not be written'));
  }

  private async catchUp(): Promise<void> {
    const { context, task_id, scorer } = this.options;
    for await (const logs of filedBatches(context.artifacts, task_id))
      await context.fenced((em) => insertTaskLogs(em, task_id, { logs, origin: { runid: null, scorer } }));
    this.behind = false;
  }
}

/** A prompt that was answered and scored within one group is one row. */
function newestOf(entries: readonly LogEntry[]): LogEntry[] {
  return [...new Map(entries.map((entry) => [`${entry.prompt_seq}/${entry.epoch}`, entry])).values()];
}

async function tellProgress(em: Em, task_id: string, tracker: Tracker): Promise<void> {
  await query(
    em,
    `update task_flames set done = $2, failed = $3, status = case when $4 and status = 'running' then 'scoring' else status end where task_id = $1`,
    [task_id, tracker.done, tracker.counts.error, tracker.all_asked],
  );
}
