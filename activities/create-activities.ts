import { Context } from '@temporalio/activity';
import { type FinishItem, finishInstances } from '../commands/finish-instances.ts';
import type {
  Begun,
  EngineActivity,
  FallbackFinish,
  InstanceReport,
  WaveActivity,
  WaveFinish,
  WaveReport,
} from '../core/workflow-contract.ts';
import type { StopReason } from '../engines/define-engine.ts';
import { WorksAtWork } from './at-work.ts';
import { beginInstance } from './begin-instance.ts';
import { beginWave, liveMembers, waveReport } from './begin-wave.ts';
import type { ActivityDeps } from './deps.ts';
import { insist } from './patience.ts';
import { reportOf } from './report-of.ts';

const INSTANCE_GOES_ON: InstanceReport = { status: 'going_on', code: '' };
const WAVE_GOES_ON: WaveReport = { status: 'going_on', ended: {} };

/**
 * `begin`: begins what a workflow is about to ask for, which joins it then. `settled`: resolves when nothing is at work in this process any more, whether Temporal waits
 * for it or not; rejects never. `stopAll`: tells all of it to stop.
 */
export type Activities = {
  activities: Record<string, unknown>;
  begin(begun: Begun): void;
  stopAll(reason: StopReason): void;
  settled(): Promise<void>;
};

/**
 * What workflows may ask this worker for: one activity per engine, named after it, one for waves, and what ends instances where these could not.
 * @param kinds the engines that this worker has, available or not
 */
export function createActivities(deps: ActivityDeps, kinds: readonly string[]): Activities {
  const works = new WorksAtWork(deps);
  const engine = engineActivity(deps, works);
  const engines = Object.fromEntries(kinds.map((kind) => [kind, engine]));
  const ends = { finishInstances: fallbackFinish(deps), finishWave: waveFinish(deps) };
  return {
    activities: { ...engines, wave: waveActivity(deps, works), ...ends },
    begin: (begun) => beginAhead(deps, works, begun),
    stopAll: (reason) => works.stopAll(reason),
    settled: () => works.settled(),
  };
}

/** Number of this execution and its workflow run; `earlier`: executions that Temporal does not count. */
function executionOf(earlier: number): { execution: number; temporal_run_id: string } {
  const { attempt, workflowExecution } = Context.current().info;
  return { execution: attempt + earlier, temporal_run_id: workflowExecution?.runId ?? '' };
}

/** The first execution, under the number that the workflow's local activity has. */
function beginAhead(deps: ActivityDeps, works: WorksAtWork, { workflow_id, temporal_run_id, runid }: Begun): void {
  const execution = { execution: 1, temporal_run_id };
  if (runid === null) works.beginAhead(workflow_id, () => beginWave(deps, { workflow_id, ...execution }));
  else works.beginAhead(runid, () => beginInstance(deps, { runid, ...execution }));
}

function engineActivity(deps: ActivityDeps, works: WorksAtWork): EngineActivity {
  const isDecided = ({ status }: InstanceReport) => status !== 'superseded';
  return async ({ runid, patience_ms, earlier = 0 }) => {
    const work = works.join(runid, () => beginInstance(deps, { runid, ...executionOf(earlier) }));
    return await works.answer(runid, work, patience_ms === undefined ? null : { patience_ms, going_on: INSTANCE_GOES_ON, isDecided });
  };
}

function waveActivity(deps: ActivityDeps, works: WorksAtWork): WaveActivity {
  const isDecided = ({ ended }: WaveReport) => !ended.superseded;
  return async ({ workflow_id, patience_ms, earlier = 0 }) => {
    const work = works.join(workflow_id, () => beginWave(deps, { workflow_id, ...executionOf(earlier) }));
    return await works.answer(workflow_id, work, patience_ms === undefined ? null : { patience_ms, going_on: WAVE_GOES_ON, isDecided });
  };
}

async function finishAll({ fork, worker, logger }: ActivityDeps, items: readonly FinishItem[]): Promise<void> {
  await insist(() => finishInstances(fork(), items, `worker:${worker}`), { what: 'finish instances for their workflow', logger });
}

function fallbackFinish(deps: ActivityDeps): FallbackFinish {
  return async ({ runid, outcome }) => {
    await finishAll(deps, [{ runid, lease_epoch: null, outcome }]);
    return await reportOf(deps.fork(), runid);
  };
}

function waveFinish(deps: ActivityDeps): WaveFinish {
  return async ({ workflow_id, outcome }) => {
    const runids = await liveMembers(deps, workflow_id);
    await finishAll(
      deps,
      runids.map((runid) => ({ runid, lease_epoch: null, outcome })),
    );
    return waveReport(await Promise.all(runids.map(async (runid) => (await reportOf(deps.fork(), runid)).status)));
  };
}
