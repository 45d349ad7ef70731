import { ApplicationFailure } from '@temporalio/common';
import { actOnBreach } from '../commands/act-on-breach.ts';
import { prepareBreach } from '../commands/prepare-breach.ts';
import { EngineError } from '../core/errors.ts';
import type { ActOnBreach, PrepareBreach } from '../core/workflow-contract.ts';
import type { DispatcherDeps } from './deps.ts';

type Deps = Pick<DispatcherDeps, 'fork' | 'engines' | 'logger'>;

/**
 * The activities of `slaBreach`. What they throw are faults of the surroundings; histories keep no message of those, which may quote data.
 * @param after called when an action took effect: work may start or has to stop, messages wait to leave
 */
export function createSlaActivities(
  { fork, engines, logger }: Deps,
  after: () => void,
): { prepareBreach: PrepareBreach; actOnBreach: ActOnBreach } {
  const insist = async <T>(breach: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      logger.warn({ err: cause, breach }, 'an action of a breach was interrupted; it is tried again');
      const code = cause instanceof EngineError ? cause.code : 'surroundings';
      throw ApplicationFailure.retryable('interrupted; the log of the dispatcher says why', code);
    }
  };
  return {
    prepareBreach: ({ breach_id }) => insist(breach_id, async () => ({ actions: await prepareBreach(fork(), breach_id) })),
    actOnBreach: ({ breach_id, no }) =>
      insist(breach_id, async () => {
        const report = await actOnBreach(fork(), { breach_id, no }, engines);
        if (report.state === 'done') after();
        return report;
      }),
  };
}
