import { Context } from '@temporalio/activity';
import type { ActivityCancellationDetails } from '@temporalio/common';
import { finishInstances } from '../commands/finish-instances.ts';
import type { EngineActivity, FallbackFinish, InstanceReport } from '../core/workflow-contract.ts';
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

/**
 * What workflows may ask this worker for: one activity per engine, named after it, and `finishInstances`.
 * @param kinds the engines that this worker has, available or not
 */
export function createActivities(deps: ActivityDeps, kinds: readonly string[]) {
  const atWork = new Map<string, AtWork>();
  const engine: EngineActivity = ({ runid }) => execute(deps, atWork, runid);
  return { ...Object.fromEntries(kinds.map((kind) => [kind, engine])), finishInstances: fallbackFinish(deps) };
}

async function execute(deps: ActivityDeps, atWork: Map<string, AtWork>, runid: string): Promise<InstanceReport> {
  const work = atWork.get(runid) ?? begin(deps, atWork, runid);
  const beat = keepTemporalInformed(work);
  try {
    return await work.end;
  } catch (cause) {
    deps.logger.warn({ err: cause, runid }, 'execution interrupted; Temporal starts the next one');
    throw toFailure(cause);
  } finally {
    clearInterval(beat);
  }
}

function begin(deps: ActivityDeps, atWork: Map<string, AtWork>, runid: string): AtWork {
  const { attempt, workflowExecution } = Context.current().info;
  const execution = { runid, execution: attempt, temporal_run_id: workflowExecution?.runId ?? '' };
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
