import { CancellationScope, CancelledFailure, setCurrentDetails } from '@temporalio/workflow';
import type { WaveInput, WaveReport } from '../core/workflow-contract.ts';
import { finishInstead, runActivity, withoutStack } from './run-activity.ts';
import { showBreaches } from './show-breaches.ts';

/**
 * The life of several short instances in Temporal that were admitted together: one activity runs them all and makes each final by itself. How they end is in their rows, and
 * counted in the result; only a wave that is cancelled through Temporal ends otherwise than completed.
 */
export async function wave(input: WaveInput): Promise<WaveReport> {
  showBreaches();
  const target = { workflow_id: input.workflow_id };
  setCurrentDetails(`**running** · ${input.title}`);
  const report = await runActivity<typeof target, WaveReport>('wave', target, input).catch((error: unknown) =>
    finishInstead<typeof target, WaveReport>('finishWave', target, error),
  );
  setCurrentDetails(`**ended** · ${input.title} · ${countsOf(report)}`);
  if (CancellationScope.current().consideredCancelled) throw withoutStack(new CancelledFailure(`wave: ${countsOf(report)}`));
  return report;
}

const countsOf = ({ ended }: WaveReport): string =>
  Object.entries(ended)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ') || 'nothing left to do';
