import { proxyActivities } from '@temporalio/workflow';
import type { BareActivities } from './bare-activities.ts';

const { nothing } = proxyActivities<BareActivities>({ startToCloseTimeout: '1 minute', retry: { initialInterval: '1s' } });

/** The least that a task can cost on Temporal: one activity that does nothing. */
export async function bareTask(): Promise<{ began_ms: number }> {
  return await nothing();
}
