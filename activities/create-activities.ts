import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ActivityCancellationDetails } from '@temporalio/common';
import { finishInstances } from '../commands/finish-instances.ts';
import type { EngineActivity, EngineInput, FallbackFinish, InstanceReport } from '../core/workflow-contract.ts';
import type { StopReason } from '../engines/define-engine.ts';
import type { ActivityDeps } from './deps.ts';
import type { EngineRun } from './engine-run.ts';
import { toFailure } from './failure.ts';
import { insist } from './patience.ts';
import { reportOf } from './report-of.ts';
import { runInstance } from './run-instance.ts';

/**
 * An instance at work in this process. Executions that come later, because Temporal lost sight of the first, wait for the same end.
 * `run` is null until the engine starts; `wanted` is a stop that came before.
 */
type AtWork = { end: Promise<InstanceReport>; run: EngineRun | null; wanted: StopReason | null; deps: ActivityDeps };

const BEAT_MS = 5_000;
const GOING_ON: InstanceReport = { status: 'going_on', code: '' };

/** `settled`: resolves when nothing is at work in this process any more, whether Temporal waits for it or not. Rejects never. */
export type Activities = { activities: Record<string, unknown>; settled(): Promise<void> };

/**
 * What workflows may ask this worker for: one activity per engine, named after it, and `finishInstances`.
 * @param kinds the engines that this worker has, available or not
 */
export function createActivities(deps: ActivityDeps, kinds: readonly string[]): Activities {
  const atWork = new Map<string, AtWork>();
  const engine: EngineActivity = (input) => execute(deps, atWork, input);
  return {
    activities: { ...Object.fromEntries(kinds.map((kind) => [kind, engine])), finishInstances: fallbackFinish(deps) },
    settled: async () => {
      while (atWork.size > 0) await Promise.allSettled([...atWork.values()].map(({ end }) => end));
    },
  };
}

async function execute(deps: ActivityDeps, atWork: Map<string, AtWork>, input: EngineInput): Promise<InstanceReport> {
  const work = atWork.get(input.runid) ?? begin(deps, atWork, input);
  try {
    return input.patience_ms === undefined ? await watched(work) : await soon(work, input.patience_ms);
  } catch (cause) {
    deps.logger.warn({ err: cause, runid: input.runid }, 'execution interrupted; Temporal starts the next one');
    throw toFailure(cause);
  }
}

/** The end of the work, with signs of life until then. */
async function watched(work: AtWork): Promise<InstanceReport> {
  const beat = keepTemporalInformed(work);
  return await work.end.finally(() => clearInterval(beat));
}

/** The end of the work if it comes in time. Where another execution owns the instance, the ordinary activity has to find out what that means. */
async function soon(work: AtWork, patience_ms: number): Promise<InstanceReport> {
  const context = Context.current();
  context.cancelled.catch(() => obey(work, context));
  const enough = new AbortController();
  const late = pause(patience_ms, GOING_ON, { signal: enough.signal }).catch(() => GOING_ON);
  const report = await Promise.race([work.end, late]).finally(() => enough.abort());
  return report.status === 'superseded' ? GOING_ON : report;
}

function begin(deps: ActivityDeps, atWork: Map<string, AtWork>, { runid, earlier = 0 }: EngineInput): AtWork {
  const { attempt, workflowExecution } = Context.current().info;
  const execution = { runid, execution: attempt + earlier, temporal_run_id: workflowExecution?.runId ?? '' };
  const work: AtWork = { end: Promise.resolve({ status: 'superseded', code: '' }), run: null, wanted: null, deps };
  work.end = runInstance(deps, execution, (run) => {
    work.run = run;
    if (work.wanted) run.stop(work.wanted);
  }).finally(() => atWork.delete(runid));
  work.end.catch(() => undefined);
  atWork.set(runid, work);
  return work;
}

/** Heartbeats as long as the work goes on, and passes Temporal's wish to stop on to it. */
function keepTemporalInformed(work: AtWork): NodeJS.Timeout {
  const context = Context.current();
  const silence = context.info.heartbeatTimeoutMs ?? 3 * BEAT_MS;
  context.cancelled.catch(() => obey(work, context));
  return setInterval(
    () => {
      const { progress, note } = work.run?.lease ?? { progress: 0, note: null };
      context.heartbeat({ progress, note });
    },
    Math.min(BEAT_MS, silence / 3),
  );
}

/**
 * Cancelled through Temporal: stop. The worker is closing: stop, as far as the engine cannot go on later. Not known to Temporal any more: the
 * workflow was terminated, which means stop, or this execution timed out while Temporal was away, and the next one joins.
 */
function obey(work: AtWork, context: Context): void {
  const details: ActivityCancellationDetails | undefined = context.cancellationDetails;
  if (details?.workerShutdown) stop(work, 'shutdown');
  else if (details?.cancelRequested) stop(work, 'cancel');
  else if (details?.notFound) void stopUnlessOpen(work, context);
}

function stop(work: AtWork, reason: StopReason): void {
  work.wanted ??= reason;
  work.run?.stop(reason);
}

async function stopUnlessOpen(work: AtWork, context: Context): Promise<void> {
  const workflow = context.info.workflowExecution;
  if (!workflow) return;
  const open = await work.deps.workflowIsOpen(workflow.workflowId, workflow.runId).catch(() => true);
  if (!open) stop(work, 'cancel');
}

function fallbackFinish({ fork, worker, logger }: ActivityDeps): FallbackFinish {
  return async ({ runid, outcome }) => {
    const finish = () => finishInstances(fork(), [{ runid, lease_epoch: null, outcome }], `worker:${worker}`);
    await insist(finish, { what: 'finish an instance for its workflow', logger });
    return await reportOf(fork(), runid);
  };
}
