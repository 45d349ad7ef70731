import { patched, proxyActivities, proxyLocalActivities, sleep } from '@temporalio/workflow';
import type { ActOnBreach, PrepareBreach, SlaActionReport, SlaBreachInput } from '../core/workflow-contract.ts';

/** How often a waiting action is looked at again, and for how long at most; then it goes ahead by itself. */
const AGAIN_MS = 500;
const MOST_LOOKS = 240;
/** A minute. A local activity that is tried again holds one of the worker's few places for workflows; the outbox starts the breach anew. */
const LOCAL_ATTEMPTS = 8;

/**
 * The life of one breach in Temporal, `sla/<breach id>`: its actions, one after the other. Each is one transaction that also records its end, so
 * repetitions do nothing; what leaves the engine goes into the outbox there. As local activities they cost Temporal less than half.
 */
export async function slaBreach({ breach_id }: SlaBreachInput): Promise<SlaActionReport[]> {
  const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' } as const;
  const within = { startToCloseTimeout: '20s' } as const;
  const locally = { ...within, retry: { ...retry, maximumAttempts: LOCAL_ATTEMPTS } };
  const { prepareBreach } = proxyLocalActivities<{ prepareBreach: PrepareBreach }>(locally);
  const { actOnBreach } = patched('local-actions')
    ? proxyLocalActivities<{ actOnBreach: ActOnBreach }>(locally)
    : proxyActivities<{ actOnBreach: ActOnBreach }>({ ...within, retry });
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
