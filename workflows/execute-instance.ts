import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  defineSignal,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { ended, type Outcome } from '../core/outcome.ts';
import {
  ENGINE_ACTIVITY,
  type EngineActivity,
  type EngineInput,
  type FallbackFinish,
  type InstanceInput,
  type InstanceReport,
  SLA_BREACHED_SIGNAL,
} from '../core/workflow-contract.ts';

const slaBreached = defineSignal<[string[]]>(SLA_BREACHED_SIGNAL);

/** Seconds that an activity has beyond the task's own time-out, which it enforces itself, to stop its work and store the end. */
const STOP_AND_STORE_S = 120;
/** Milliseconds that a local activity has beyond its patience to answer at all. */
const ANSWER_MS = 4_000;

/**
 * The whole life of an instance in Temporal: one engine activity on the workflow's own task queue, which also makes the instance final. Work that is
 * expected to be short is begun by a local activity, which costs Temporal half as much; what is not over soon goes on under an ordinary one. Only where that activity could not finish does a second one, out of reach of cancellation. The row is always final before the workflow is.
 * Temporal shows Failed for instances that did not complete (failure type = error code) and Canceled for those cancelled through Temporal.
 * @param kind engine and name of its activity; part of stored histories, never renamed
 */
export async function executeInstance(kind: string, input: InstanceInput): Promise<InstanceReport> {
  setHandler(slaBreached, (names) => upsertSearchAttributes({ OrchSlaBreach: names }));
  describeProgress(input, 'running');
  const report = await run(kind, input).catch((error: unknown) => finishInstead(input, outcomeOf(error)));
  describeProgress(input, `${report.status} (${report.code})`);
  return conclude(input, report);
}

async function run(kind: string, input: InstanceInput): Promise<InstanceReport> {
  const { runid, patience_ms } = input;
  if (patience_ms === undefined) return await runEngine(kind, input, { runid });
  return (await runShort(kind, { runid, patience_ms })) ?? (await runEngine(kind, input, { runid, earlier: 1 }));
}

/** @returns null when it goes on, or could not even begin: an ordinary activity takes it up then */
async function runShort(kind: string, input: EngineInput & { patience_ms: number }): Promise<InstanceReport | null> {
  const engines = proxyLocalActivities<Record<string, EngineActivity>>({
    startToCloseTimeout: input.patience_ms + ANSWER_MS,
    retry: { maximumAttempts: 1 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  try {
    const report = await (engines[kind] as EngineActivity)(input);
    return report.status === 'going_on' ? null : report;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return null;
  }
}

function runEngine(kind: string, input: InstanceInput, execution: EngineInput): Promise<InstanceReport> {
  const engines = proxyActivities<Record<string, EngineActivity>>({
    startToCloseTimeout: (input.timeout_s + STOP_AND_STORE_S) * 1000,
    heartbeatTimeout: input.heartbeat_timeout_s * 1000,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: input.title,
    ...(execution.earlier ? { activityId: ENGINE_ACTIVITY } : {}),
  });
  return (engines[kind] as EngineActivity)(execution);
}

async function finishInstead(input: InstanceInput, outcome: Outcome): Promise<InstanceReport> {
  const { finishInstances } = proxyActivities<{ finishInstances: FallbackFinish }>({
    startToCloseTimeout: '30s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
  });
  return await CancellationScope.nonCancellable(() => finishInstances({ runid: input.runid, outcome }));
}

function outcomeOf(error: unknown): Outcome {
  if (isCancellation(error)) return ended('cancelled', { code: 'cancelled', message: 'cancelled through Temporal' });
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'activity_failed';
  return ended('failed', {
    code,
    message: `the engine activity could not finish: ${cause instanceof Error ? cause.message : String(cause)}`,
  });
}

function conclude(input: InstanceInput, report: InstanceReport): InstanceReport {
  if (report.status === 'completed' || report.status === 'superseded') return report;
  const message = `instance ${input.runid}: ${report.status} (${report.code})`;
  const cancelled = report.status === 'cancelled' && CancellationScope.current().consideredCancelled;
  throw withoutStack(cancelled ? new CancelledFailure(message) : ApplicationFailure.nonRetryable(message, report.code));
}

/** A failed task is no defect of the workflow: where in the code it was noticed tells nobody anything, and histories keep it. */
function withoutStack(failure: Error): Error {
  failure.stack = '';
  return failure;
}

function describeProgress(input: InstanceInput, state: string): void {
  setCurrentDetails(`**${state}** · task \`${input.task_id}\` · attempt ${input.attempt} · instance \`${input.runid}\``);
}
