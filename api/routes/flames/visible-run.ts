import type { Places } from '../../../commands/flames-sources.ts';
import { EngineError } from '../../../core/errors.ts';
import { findDataset } from '../../../entities/flames-dataset.queries.ts';
import { findRun, type Run } from '../../../entities/task-flames.queries.ts';
import type { FlamesDataset } from '../../../schemas/flames.ts';
import type { RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** @throws EngineError not_found, also for others' runs */
export async function visibleRun(ctx: RouteContext, task_id: string): Promise<Run> {
  const run = await findRun(ctx.em, task_id, scopeOf(ctx.actor));
  if (!run) throw new EngineError('not_found', `run ${task_id}: there is none`);
  return run;
}

/** @throws EngineError not_found, also for others' datasets that are not shared */
export async function visibleDataset(ctx: RouteContext, id: number): Promise<FlamesDataset> {
  const dataset = await findDataset(ctx.em, id, scopeOf(ctx.actor));
  if (!dataset) throw new EngineError('not_found', `dataset ${id}: there is none`);
  return dataset;
}

/** Where rows of runs may be besides the table. */
export const placesOf = (ctx: RouteContext): Places => ({ artifacts: ctx.artifacts, old_dir: ctx.config.FLAMES_OLD_LOGS_DIR });
