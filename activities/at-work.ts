import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ActivityCancellationDetails } from '@temporalio/common';
import type { StopReason } from '../engines/define-engine.ts';
import type { ActivityDeps } from './deps.ts';
import { toFailure } from './failure.ts';

/** Something at work in this process: its end, how to stop it (any number of times; the first reason counts), and what Temporal is shown of it. */
export type Work<R> = { end: Promise<R>; stop(reason: StopReason): void; sign(): unknown };

/** How long an answer may take, and what it is when there is none in time. */
export type Patience<R> = { patience_ms: number; going_on: R; isDecided(report: R): boolean };

const BEAT_MS = 5_000;
/** How long the end of work that was begun ahead is kept for the activity that was to ask for it. */
const KEPT_MS = 10_000;

/** `expected`: an activity will ask for it; `ended`: it is here only for that. */
type Entry = { work: Work<unknown>; expected: boolean; ended: boolean };

/**
 * What is at work in this process, by name. Executions that come later, because Temporal lost sight of the first or because it was begun ahead of them, wait for the
 * same end.
 */
export class WorksAtWork {
  private readonly deps: Pick<ActivityDeps, 'logger' | 'workflowIsOpen'>;
  private readonly kept_ms: number;
  private readonly entries = new Map<string, Entry>();

  constructor(deps: Pick<ActivityDeps, 'logger' | 'workflowIsOpen'>, kept_ms = KEPT_MS) {
    this.deps = deps;
    this.kept_ms = kept_ms;
  }

  /** The work of this name, which is begun unless it is under way. */
  join<R>(name: string, begin: () => Work<R>): Work<R> {
    const known = this.entries.get(name);
    if (!known) return this.add(name, begin(), false);
    known.expected = false;
    this.dropIfDone(name, known);
    return known.work as Work<R>;
  }

  /** Begins work that an activity will ask for in a moment, unless it is under way. */
  beginAhead(name: string, begin: () => Work<unknown>): void {
    if (this.entries.has(name)) return;
    this.add(name, begin(), true);
  }

  /** Resolves when nothing is at work any more, whether Temporal waits for it or not. */
  async settled(): Promise<void> {
    const atWork = () => [...this.entries.values()].filter(({ ended }) => !ended).map(({ work }) => work.end);
    for (let ends = atWork(); ends.length > 0; ends = atWork()) await Promise.allSettled(ends);
  }

  /** Also what was begun ahead and has no lease yet. */
  stopAll(reason: StopReason): void {
    for (const { work, ended } of this.entries.values()) if (!ended) work.stop(reason);
  }

  private add<R>(name: string, work: Work<R>, expected: boolean): Work<R> {
    const entry: Entry = { work, expected, ended: false };
    this.entries.set(name, entry);
    const end = () => {
      entry.ended = true;
      this.dropIfDone(name, entry);
      if (entry.expected) setTimeout(() => this.forget(name, entry), this.kept_ms).unref();
    };
    work.end.then(end, end);
    return work;
  }

  private forget(name: string, entry: Entry): void {
    entry.expected = false;
    this.dropIfDone(name, entry);
  }

  private dropIfDone(name: string, entry: Entry): void {
    if (entry.ended && !entry.expected && this.entries.get(name) === entry) this.entries.delete(name);
  }

  /**
   * The end of some work, as the answer of the activity that runs now: with signs of life until then, or within a patience.
   * @throws ApplicationFailure retryable: an execution that was interrupted
   */
  async answer<R>(name: string, work: Work<R>, patience: Patience<R> | null): Promise<R> {
    try {
      return patience ? await this.soon(work, patience) : await this.watched(work);
    } catch (cause) {
      this.deps.logger.warn({ err: cause, work: name }, 'execution interrupted; Temporal starts the next one');
      throw toFailure(cause);
    }
  }

  private async watched<R>(work: Work<R>): Promise<R> {
    const context = Context.current();
    const silence = context.info.heartbeatTimeoutMs ?? 3 * BEAT_MS;
    context.cancelled.catch(() => this.obey(work, context));
    const beat = setInterval(() => context.heartbeat(work.sign()), Math.min(BEAT_MS, silence / 3));
    return await work.end.finally(() => clearInterval(beat));
  }

  /** The end of the work if it comes in time. What it does not decide, the ordinary activity has to find out. */
  private async soon<R>(work: Work<R>, { patience_ms, going_on, isDecided }: Patience<R>): Promise<R> {
    const context = Context.current();
    context.cancelled.catch(() => this.obey(work, context));
    const enough = new AbortController();
    const late = pause(patience_ms, going_on, { signal: enough.signal }).catch(() => going_on);
    const report = await Promise.race([work.end, late]).finally(() => enough.abort());
    return isDecided(report) ? report : going_on;
  }

  /**
   * Cancelled through Temporal: stop. The worker is closing: stop, as far as the engine cannot go on later. Not known to Temporal any more: the
   * workflow was terminated, which means stop, or this execution timed out while Temporal was away, and the next one joins.
   */
  private obey(work: Work<unknown>, context: Context): void {
    const details: ActivityCancellationDetails | undefined = context.cancellationDetails;
    if (details?.workerShutdown) work.stop('shutdown');
    else if (details?.cancelRequested) work.stop('cancel');
    else if (details?.notFound) void this.stopUnlessOpen(work, context);
  }

  private async stopUnlessOpen(work: Work<unknown>, context: Context): Promise<void> {
    const workflow = context.info.workflowExecution;
    if (!workflow) return;
    const open = await this.deps.workflowIsOpen(workflow.workflowId, workflow.runId).catch(() => true);
    if (!open) work.stop('cancel');
  }
}
