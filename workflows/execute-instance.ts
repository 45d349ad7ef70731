import { ApplicationFailure, CancellationScope, CancelledFailure, setCurrentDetails } from '@temporalio/workflow';
import type { InstanceInput, InstanceReport } from '../core/workflow-contract.ts';
import { finishInstead, runActivity, withoutStack } from './run-activity.ts';
import { showBreaches } from './show-breaches.ts';

/**
 * The whole life of an instance in Temporal: one engine activity, which also makes the instance final. Only where that could not finish does a second one. The row is always
 * final before the workflow is. Temporal shows Failed for instances that did not complete (failure type = error code) and Canceled for those cancelled through Temporal.
 * @param kind engine and name of its activity; part of stored histories, never renamed
 */
export async function executeInstance(kind: string, input: InstanceInput): Promise<InstanceReport> {
  const target = { runid: input.runid };
  showBreaches();
  describeProgress(input, 'running');
  const report = await runActivity<typeof target, InstanceReport>(kind, target, input).catch((error: unknown) =>
    finishInstead<typeof target, InstanceReport>('finishInstances', target, error),
  );
  describeProgress(input, `${report.status} (${report.code})`);
  return conclude(input, report);
}

function conclude(input: InstanceInput, report: InstanceReport): InstanceReport {
  if (report.status === 'completed' || report.status === 'superseded') return report;
  const message = `instance ${input.runid}: ${report.status} (${report.code})`;
  const cancelled = report.status === 'cancelled' && CancellationScope.current().consideredCancelled;
  throw withoutStack(cancelled ? new CancelledFailure(message) : ApplicationFailure.nonRetryable(message, report.code));
}

function describeProgress(input: InstanceInput, state: string): void {
  setCurrentDetails(`**${state}** · task \`${input.task_id}\` · attempt ${input.attempt} · instance \`${input.runid}\``);
}
