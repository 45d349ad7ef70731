import { proxyActivities, proxyLocalActivities, sleep } from '@temporalio/workflow';
import type { ActOnBreach, PrepareBreach, SlaActionReport, SlaBreachInput } from '../core/workflow-contract.ts';

/** How often a waiting action is looked at again, and for how long at most; then it goes ahead by itself. */
const AGAIN_MS = 500;
const MOST_LOOKS = 240;

/**
 * The life of one breach in Temporal, `sla/<breach id>`: its actions, one after the other. Each is one transaction that also records its end, so
 * repetitions do nothing; what leaves the engine goes into the outbox there. As local activities they cost Temporal less than half.
 */
export async function slaBreach({ breach_id, local = false }: SlaBreachInput): Promise<SlaActionReport[]> {
  const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' } as const;
  const options = { startToCloseTimeout: '20s', retry } as const;
  const { prepareBreach } = proxyLocalActivities<{ prepareBreach: PrepareBreach }>(options);
  const { actOnBreach } = (local ? proxyLocalActivities : proxyActivities)<{ actOnBreach: ActOnBreach }>(options);
  const { actions } = await prepareBreach({ breach_id });
  const reports: SlaActionReport[] = [];
  for (const { no } of actions) {
    let report = await actOnBreach({ breach_id, no });
    for (let looks = 1; report.state === 'waiting' && looks < MOST_LOOKS; looks += 1) {
      await sleep(AGAIN_MS);
      report = await actOnBreach({ breach_id, no });
    }
    reports.push(report);
  }
  return reports;
}
