import { wakeSnoozed } from '../commands/breach-life.ts';
import { extendDeadlines } from '../commands/insert-sla-version.ts';
import { takeBackLoans } from '../commands/lend-pool.ts';
import { noteMarked, type UnmarkedInstance, unmarkedInstances } from '../commands/mark-breached.ts';
import { resumeDue } from '../commands/resume-due.ts';
import { sampleWatches, syncWatches } from '../commands/watch-groups.ts';
import { SLA_BREACHED_SIGNAL } from '../core/workflow-contract.ts';
import type { DispatcherDeps } from './deps.ts';
import { RecurringWork } from './recurring-work.ts';

const DEADLINES_EVERY_MS = 600_000;
const SIGNAL_MS = 5_000;
const SYNC_EVERY_MS = 5_000;
const FAILURE = 'SLAs: something could not be looked after; tried again with the next look';

/**
 * What SLAs have lying about: holds, pauses and loans that end by themselves, breaches that were snoozed, groups that are watched, deadlines of the coming year, marks on the workflows of
 * breached tasks. Each second; any number may run.
 */
export class SlaKeeper extends RecurringWork {
  private readonly deps: DispatcherDeps;
  private readonly poke: () => void;
  private extended_at = -Infinity;
  private synced_at = -Infinity;

  /** @param poke called when something may start again */
  constructor(deps: DispatcherDeps, poke: () => void) {
    super({ every_ms: deps.config.POLL_EVERY_S * 1000, failure: FAILURE, logger: deps.logger });
    this.deps = deps;
    this.poke = poke;
  }

  protected async work(): Promise<void> {
    const { fork } = this.deps;
    await this.guarded('holds that are over', async () => {
      if ((await resumeDue(fork())) > 0) this.poke();
    });
    await this.guarded('loans that are over', () => takeBackLoans(fork()));
    await this.guarded('snoozed breaches', () => wakeSnoozed(fork()));
    await this.guarded('deadlines', () => this.extend());
    await this.guarded('watches', () => this.watch());
    await this.guarded('marks on workflows', () => this.markAll());
  }

  /** What cannot be done keeps none of the rest waiting. */
  private async guarded(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.deps.logger.debug({ err: cause, what }, FAILURE);
    }
  }

  private async watch(): Promise<void> {
    if (performance.now() - this.synced_at > SYNC_EVERY_MS) {
      await syncWatches(this.deps.fork());
      this.synced_at = performance.now();
    }
    await sampleWatches(this.deps.fork());
  }

  private async extend(): Promise<void> {
    if (performance.now() - this.extended_at < DEADLINES_EVERY_MS) return;
    await extendDeadlines(this.deps.fork());
    this.extended_at = performance.now();
  }

  private async markAll(): Promise<void> {
    for (const instance of await unmarkedInstances(this.deps.fork())) await this.mark(instance);
  }

  /** A workflow that has just ended needs no mark. */
  private async mark(instance: UnmarkedInstance): Promise<void> {
    const { client, fork } = this.deps;
    const handle = client.workflow.getHandle(instance.workflow_id);
    const signal = () => handle.signal(SLA_BREACHED_SIGNAL, instance.slas.slice(0, 20));
    await client.withDeadline(Date.now() + SIGNAL_MS, signal).catch((cause: unknown) => {
      if (!/not found|already completed/i.test(String(cause))) throw cause;
    });
    await noteMarked(fork(), instance);
  }
}
