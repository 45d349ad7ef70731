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

/** What is at work in this process, by name. Executions that come later, because Temporal lost sight of the first, wait for the same end. */
export class WorksAtWork {
  private readonly deps: ActivityDeps;
  private readonly works = new Map<string, Work<unknown>>();

  constructor(deps: ActivityDeps) {
    this.deps = deps;
  }

  /** The work of this name, which is begun unless it is under way. */
  join<R>(name: string, begin: () => Work<R>): Work<R> {
    const known = this.works.get(name);
    if (known) return known as Work<R>;
    const work = begin();
    this.works.set(name, work);
    work.end.catch(() => undefined).finally(() => this.works.delete(name));
    return work;
  }

  /** Resolves when nothing is at work any more, whether Temporal waits for it or not. */
  async settled(): Promise<void> {
    while (this.works.size > 0) await Promise.allSettled([...this.works.values()].map(({ end }) => end));
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
