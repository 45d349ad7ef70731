import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityDeps } from '../activities/deps.ts';
import { sweepEngine } from '../activities/sweep-engine.ts';
import { finishInstances } from '../commands/finish-instances.ts';
import { ended } from '../core/outcome.ts';
import { ENGINE_ACTIVITY } from '../core/workflow-contract.ts';
import type { Engine } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';

type Orphan = { runid: string; engine: string; workflow_id: string; temporal_run_id: string | null; lease_epoch: number };

const ORPHANS = `
select i.runid, t.type as engine, i.workflow_id, i.temporal_run_id, i.lease_epoch
from instances i join tasks t on t.uuid = i.task_id
where i.worker = $1 and i.status = 'running' and i.boot_id is distinct from $2`;

/**
 * Before anything is killed the lease is raised: should the earlier process still be alive, it must not take the death of its work for a result.
 */
const SEIZE = `
update instances set lease_epoch = lease_epoch + 1 from unnest($1::uuid[], $2::int4[]) as o(runid, epoch)
where instances.runid = o.runid and status = 'running' and lease_epoch = o.epoch
returning instances.runid, lease_epoch`;

/** The one activity that a workflow of ours has at a time until it fails: its first, or the one that went on with a short beginning. */
const ENGINE_ACTIVITIES = ['1', ENGINE_ACTIVITY];

/**
 * What a worker does about the instances that an earlier start of it left running: those that cannot be gone on with are stopped and ended as
 * lost, so that they queue again at once. The others are left to their workflows, which are told that the earlier execution is over.
 */
export async function takeOver(deps: ActivityDeps, engines: readonly Engine[], client: Client): Promise<void> {
  const orphans = await query<Orphan>(deps.fork(), ORPHANS, [deps.worker, deps.boot_id]);
  const goesOn = new Set(engines.filter((engine) => engine.on_worker_lost !== 'new_instance').map((engine) => engine.kind));
  const gone = orphans.filter(({ engine }) => !goesOn.has(engine));
  const seized = await query<Pick<Orphan, 'runid' | 'lease_epoch'>>(deps.fork(), SEIZE, [
    gone.map(({ runid }) => runid),
    gone.map(({ lease_epoch }) => lease_epoch),
  ]);
  for (const engine of engines) await sweep(deps, engine, gone);
  const outcome = ended('lost', { code: 'worker_lost', message: 'the worker was started again while this instance ran' });
  const items = seized.map(({ runid, lease_epoch }) => ({ runid, lease_epoch, outcome }));
  await finishInstances(deps.fork(), items, `worker:${deps.worker}`);
  await Promise.all(orphans.map((orphan) => endExecution(client, orphan)));
  if (orphans.length > 0)
    deps.logger.info({ lost: gone.length, going_on: orphans.length - gone.length }, 'instances of an earlier start taken over');
}

async function sweep(deps: ActivityDeps, engine: Engine, gone: Orphan[]): Promise<void> {
  const runids = gone.filter((orphan) => orphan.engine === engine.kind).map(({ runid }) => runid);
  await sweepEngine(deps, engine, runids).catch((cause: unknown) => {
    deps.logger.warn({ err: cause, engine: engine.kind }, 'leftovers of earlier instances could not be removed');
  });
}

/** Without this Temporal would learn it from the heartbeat time-out, half a minute later. Best effort: that time-out is still there. */
async function endExecution(client: Client, { workflow_id, temporal_run_id }: Orphan): Promise<void> {
  const failure = ApplicationFailure.retryable('the worker was started again', 'worker_restarted');
  for (const activityId of ENGINE_ACTIVITIES) {
    const id = { workflowId: workflow_id, activityId, ...(temporal_run_id ? { runId: temporal_run_id } : {}) };
    await client.activity.fail(id, failure).catch(() => undefined);
  }
}
