import { listScoreSets } from '../../../entities/task-flames.queries.ts';
import { FlamesRunDetail } from '../../../schemas/flames.ts';
import { defineRoute } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { visibleRun } from './visible-run.ts';

export const getFlamesRunRoute = defineRoute({
  id: 'getFlamesRun',
  method: 'get',
  path: '/flames/runs/{task_id}',
  summary: 'Get an evaluation with its parameters and its further sets of scores',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  response: { status: 200, schema: FlamesRunDetail },
  handle: async ({ params }, ctx) => {
    const { result: _result, ...run } = await visibleRun(ctx, params.task_id);
    return { ...run, score_sets: await listScoreSets(ctx.em, run.task_id) };
  },
});
