import { clearRemovedLogs } from '../commands/clear-removed-logs.ts';
import type { Places } from '../commands/flames-sources.ts';
import { mendFlamesRun } from '../commands/mend-flames-run.ts';
import { type Em, query } from '../entities/sql.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';
import { RecurringWork } from './recurring-work.ts';

const LOOK_EVERY_MS = 5_000;
const LONGEST_MESSAGE = 300;

type Deps = Pick<DispatcherDeps, 'fork' | 'database_url' | 'logger'> & { places: Places };

/** Runs to look after, those that have waited longest first; and those whose rows went by age, of which files may be left. */
const DUE = `select task_id from task_flames where repair_at <= clock_timestamp() order by repair_at limit 20`;
const LEFTOVER = `select task_id from task_flames where logs = 'removed' and has_files
  and status not in ('pending', 'running', 'scoring') order by task_id limit 100`;

/** Later each time, up to an hour. */
const POSTPONE = `update task_flames set repair_tries = repair_tries + 1, repair_error = $2,
  repair_at = clock_timestamp() + make_interval(secs => least(3600, 5 * 2 ^ least(repair_tries, 12))) where task_id = $1 and repair_at is not null`;

/**
 * Puts evaluations in order that have ended: rows that are in files only, figures that their engine could not write, old runs that are to be imported, and files
 * whose rows were removed. One dispatcher at a time does it.
 */
export class FlamesKeeper extends RecurringWork {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    super({ every_ms: LOOK_EVERY_MS, failure: 'evaluations could not be looked after; it is tried again', logger: deps.logger });
    this.deps = deps;
  }

  protected async work(): Promise<void> {
    const { fork, database_url } = this.deps;
    const [due, leftover] = [await idsOf(fork(), DUE), await idsOf(fork(), LEFTOVER)];
    if (due.length + leftover.length === 0) return;
    await withLock(database_url, 'orchestrator.flames', async () => {
      for (const task_id of await idsOf(fork(), DUE)) if (!this.stopping.aborted) await this.mend(task_id);
      for (const task_id of leftover) if (!this.stopping.aborted) await clearRemovedLogs(fork(), this.deps.places, task_id);
    });
  }

  /** A run that cannot be mended now keeps none of the others waiting. */
  private async mend(task_id: string): Promise<void> {
    const { fork, places, logger } = this.deps;
    try {
      const { rows, unreadable } = await mendFlamesRun(() => fork(), places, task_id);
      logger.info({ task_id, rows, unreadable }, 'the rows of an evaluation are in the table, its figures complete');
    } catch (cause) {
      logger.warn({ err: cause, task_id }, 'an evaluation could not be put in order; it is tried again later');
      await query(fork(), POSTPONE, [task_id, (cause as Error).message.slice(0, LONGEST_MESSAGE)]);
    }
  }
}

const idsOf = async (em: Em, sql: string): Promise<string[]> => (await query<{ task_id: string }>(em, sql)).map(({ task_id }) => task_id);
