import type { Claim } from '../commands/claim-instance.ts';
import { hasRight } from '../commands/context.ts';
import { holderOf } from '../commands/finish-instances.ts';
import { ended, type Outcome } from '../core/outcome.ts';
import type { InstanceReport } from '../core/workflow-contract.ts';
import type { Engine } from '../engines/define-engine.ts';
import type { ActivityDeps } from './deps.ts';
import { EngineRun } from './engine-run.ts';
import { perform } from './perform.ts';
import { reportOf } from './report-of.ts';
import { sweepEngine } from './sweep-engine.ts';

/** Which execution of which instance. `execution`: Temporal's activity attempt, from 1; `temporal_run_id`: the workflow's run. */
export type Execution = { runid: string; execution: number; temporal_run_id: string };

/**
 * One execution of an instance, from claim to final row: `opened` is called with the run once its engine starts.
 * @returns how the instance ended; `superseded` when another execution owns it
 * @throws faults of the surroundings, after which Temporal starts the next execution
 */
export async function runInstance(deps: ActivityDeps, execution: Execution, opened: (run: EngineRun) => void): Promise<InstanceReport> {
  const claim = await deps.claimer.claim(execution);
  if (!claim) return await reportOf(deps.fork(), execution.runid);
  const engine = deps.engineOf(claim.engine);
  const refusal = await refuse(deps, claim, engine);
  if (refusal) return await finish(deps, { claim, execution: execution.execution, outcome: refusal, log_tail: null });
  const run = new EngineRun({ deps, claim, engine: engine as Engine, execution: execution.execution });
  opened(run);
  return await conduct(run);
}

/** How a claimed instance ends without being run, or null when it shall run. */
async function refuse(deps: ActivityDeps, claim: Claim, engine: Engine | undefined): Promise<Outcome | null> {
  if (!engine) {
    return ended('failed', { code: 'engine_unknown', message: `engine "${claim.engine}": worker ${deps.worker} does not have it` });
  }
  if (claim.previous_status === 'running' && engine.on_worker_lost === 'new_instance') {
    await sweepEngine(deps, engine, [claim.runid]);
    return ended('lost', { code: 'worker_lost', message: 'the worker lost this instance while it ran' });
  }
  const unstarted = claim.previous_status === 'starting';
  if (unstarted && engine.right && !hasRight(claim.owner, engine.right)) {
    return ended('failed', { code: 'forbidden', message: `user "${claim.username}" no longer has the right "${engine.right}"` });
  }
  return claim.cancel_requested && unstarted ? ended('cancelled', { code: 'cancelled', message: 'cancelled before it ran' }) : null;
}

async function conduct(run: EngineRun): Promise<InstanceReport> {
  let goesOn = true;
  try {
    const outcome = await perform(run, await run.open());
    const log_tail = await run.closeLog(true);
    const report = await finish(run.deps, { claim: run.claim, execution: run.execution, outcome: run.mask.json(outcome), log_tail });
    goesOn = false;
    return report;
  } catch (cause) {
    await run.closeLog(false);
    throw cause;
  } finally {
    await run.close(goesOn);
  }
}

type Ending = { claim: Claim; execution: number; outcome: Outcome; log_tail: string | null };

async function finish(deps: ActivityDeps, { claim, execution, outcome, log_tail }: Ending): Promise<InstanceReport> {
  const { runid, policy, retries_used, at_most_once, charged, queue } = claim;
  const own = await deps.finisher.finish({
    runid,
    lease_epoch: execution,
    outcome,
    log_tail,
    ended: { policy, retries_used, at_most_once, charged, holder: holderOf({ queue, worker: deps.worker }) },
  });
  return own ? { status: outcome.status, code: outcome.code } : await reportOf(deps.fork(), runid);
}
