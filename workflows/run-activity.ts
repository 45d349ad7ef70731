import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import { ended, type Outcome } from '../core/outcome.ts';
import { ENGINE_ACTIVITY, type InstanceInput } from '../core/workflow-contract.ts';

/** Seconds that an activity has beyond the task's own time-out, which it enforces itself, to stop its work and store the end. */
const STOP_AND_STORE_S = 120;
/** Milliseconds that a local activity has beyond its patience to answer at all. */
const ANSWER_MS = 4_000;
const AGAIN = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' } as const;

type Setting = Pick<InstanceInput, 'timeout_s' | 'heartbeat_timeout_s' | 'title' | 'patience_ms'>;
type Execution = { patience_ms?: number; earlier?: number };
type Activity<T, R> = (input: T & Execution) => Promise<R>;

/**
 * One activity on the workflow's own task queue that does all the work and makes it final. Work that is expected to be short is begun by a local activity, which costs
 * Temporal half as much; what is not over soon goes on under an ordinary one.
 * @param name of the activity; part of stored histories, never renamed
 * @param target what the work is; the activity gets it with the number of executions that Temporal does not count
 */
export async function runActivity<T extends object, R extends { status: string }>(name: string, target: T, setting: Setting): Promise<R> {
  const { patience_ms } = setting;
  if (patience_ms === undefined) return await runOrdinary<T, R>(name, target, setting);
  return (await runShort<T, R>(name, target, patience_ms)) ?? (await runOrdinary<T, R>(name, { ...target, earlier: 1 }, setting));
}

/** @returns null when it goes on, or could not even begin: an ordinary activity takes it up then */
async function runShort<T extends object, R extends { status: string }>(name: string, target: T, patience_ms: number): Promise<R | null> {
  const activities = proxyLocalActivities<Record<string, Activity<T, R>>>({
    startToCloseTimeout: patience_ms + ANSWER_MS,
    retry: { maximumAttempts: 1 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  try {
    const report = await (activities[name] as Activity<T, R>)({ ...target, patience_ms });
    return report.status === 'going_on' ? null : report;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return null;
  }
}

function runOrdinary<T extends object, R>(name: string, execution: T & Execution, setting: Setting): Promise<R> {
  const activities = proxyActivities<Record<string, Activity<T, R>>>({
    startToCloseTimeout: (setting.timeout_s + STOP_AND_STORE_S) * 1000,
    heartbeatTimeout: setting.heartbeat_timeout_s * 1000,
    retry: AGAIN,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: setting.title,
    ...(execution.earlier ? { activityId: ENGINE_ACTIVITY } : {}),
  });
  return (activities[name] as Activity<T, R>)(execution);
}

/** Stores the end of work whose own activity could not, out of reach of cancellation. */
export async function finishInstead<T extends object, R>(name: string, target: T, error: unknown): Promise<R> {
  const activities = proxyActivities<Record<string, Activity<T & { outcome: Outcome }, R>>>({ startToCloseTimeout: '30s', retry: AGAIN });
  const finish = activities[name] as Activity<T & { outcome: Outcome }, R>;
  return await CancellationScope.nonCancellable(() => finish({ ...target, outcome: outcomeOf(error) }));
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

/** A failed task is no defect of the workflow: where in the code it was noticed tells nobody anything, and histories keep it. */
export function withoutStack(failure: Error): Error {
  failure.stack = '';
  return failure;
}
