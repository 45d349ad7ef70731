import { endOverdueTasks, endUnstarted, endUnstoppable } from '../commands/end-overdue.ts';
import type { DispatcherDeps } from './deps.ts';
import { endWorkflows } from './end-workflows.ts';

/**
 * Settles every time-out that is over, by the database's time stamps: waiting tasks, instances that nobody began, work that does not stop.
 * Never rejects: what fails is repeated with the next look, and admission goes on.
 * @param seen_s how long Temporal has been in sight; instances that could not be begun for its absence are not blamed on workers
 */
export async function sweepClocks(deps: DispatcherDeps, seen_s: number): Promise<void> {
  try {
    const tasks = await endOverdueTasks(deps.fork());
    if (tasks > 0) deps.logger.info({ tasks }, 'waiting tasks failed: their time was over');
    const instances = [...(await endUnstoppable(deps.fork())), ...(await endUnstarted(deps.fork(), seen_s))];
    for (const { runid, workflow_id, code } of instances) {
      deps.logger.warn({ runid, workflow_id, code }, 'instance ended by its clock');
      void endWorkflows(deps, [workflow_id], code);
    }
  } catch (cause) {
    deps.logger.warn({ err: cause }, 'time-outs could not be settled; tried again with the next look');
  }
}
