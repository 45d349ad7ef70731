import { z } from 'zod';
import { compareFlamesRuns } from '../../../commands/compare-flames-runs.ts';
import { EngineError } from '../../../core/errors.ts';
import { findRun, type Run, runBefore } from '../../../entities/task-flames.queries.ts';
import { FlamesComparison, RunId } from '../../../schemas/flames.ts';
import { repeatable } from '../../../schemas/page.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';
import { placesOf, visibleRun } from './visible-run.ts';

export const compareFlamesRunsRoute = defineRoute({
  id: 'compareFlamesRuns',
  method: 'get',
  path: '/flames/compare/{task_id}',
  summary: 'Set evaluations side by side: rates and differences by dimension, and how the answers to the same prompts changed',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  query: z.strictObject({
    with: repeatable(RunId).describe('the runs beside it, up to 20; default: the one before it over the same dataset'),
  }),
  response: { status: 200, schema: FlamesComparison },
  handle: async ({ params, query }, ctx) => {
    const first = await visibleRun(ctx, params.task_id);
    const named = await Promise.all([...new Set(query.with)].map((task_id, i) => otherRun(ctx, task_id, i)));
    const others = named.length > 0 ? named : await runBefore(ctx.em, first, scopeOf(ctx.actor));
    return await compareFlamesRuns(ctx.em, placesOf(ctx), [first, ...others]);
  },
});

async function otherRun(ctx: RouteContext, task_id: string, place: number): Promise<Run> {
  const run = await findRun(ctx.em, task_id, scopeOf(ctx.actor));
  if (run) return run;
  const detail = `run ${task_id}: there is none`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: `/query/with/${place}`, detail }] });
}
