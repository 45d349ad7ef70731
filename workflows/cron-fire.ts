import { proxyActivities, sleep } from '@temporalio/workflow';
import type { CronFireInput, CronFireReport, FireSchedule } from '../core/workflow-contract.ts';

/**
 * What a Temporal Schedule starts at each fire: waits for the schedule's jitter and has the database decide what is due. Everything that a
 * fire is, its ledger row, its overlap and its task, is one transaction of the activity.
 */
export async function cronFire({ schedule_id, jitter_ms }: CronFireInput): Promise<CronFireReport> {
  if (jitter_ms > 0) await sleep(jitter_ms);
  const { fireSchedule } = proxyActivities<{ fireSchedule: FireSchedule }>({
    startToCloseTimeout: '60s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s', maximumAttempts: 10 },
  });
  return await fireSchedule({ schedule_id });
}
