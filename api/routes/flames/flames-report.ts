import { z } from 'zod';
import { reportFlamesRun } from '../../../commands/report-flames-run.ts';
import { EngineError } from '../../../core/errors.ts';
import { FlamesReport } from '../../../schemas/flames.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { placesOf, visibleRun } from './visible-run.ts';

/** What every report may be asked for. */
export const ReportQuery = {
  limit_per_dimension: z.coerce.number().int().min(0).max(100).default(10).describe('lowest-scored examples of each dimension'),
  score_set: z.coerce.number().int().min(1).max(2_147_483_647).optional().describe('another set of scores; default: the run’s own'),
};

type Wanted = { task_id: string; limit_per_dimension: number; score_set?: number };

/** The report as it was asked for. */
export async function wantedReport(ctx: RouteContext, { task_id, limit_per_dimension, score_set }: Wanted): Promise<FlamesReport> {
  const run = await visibleRun(ctx, task_id);
  try {
    return await reportFlamesRun(ctx.em, placesOf(ctx), { run, score_set: score_set ?? null, limit_per_dimension });
  } catch (error) {
    throw error instanceof EngineError && error.code === 'not_found' ? unknownSet(error) : error;
  }
}

/** The run is there; it is the query that names what is not. */
export const unknownSet = (error: EngineError): EngineError =>
  new EngineError('invalid_input', error.message, { errors: [{ pointer: '/query/score_set', detail: error.message }], cause: error });

export const flamesReportRoute = defineRoute({
  id: 'flames_report',
  method: 'get',
  path: '/flames/flames_report/{task_id}',
  summary: 'Report of an evaluation: figures by dimension and sub-dimension, with the lowest-scored examples',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  query: z.strictObject(ReportQuery),
  response: { status: 200, schema: FlamesReport },
  handle: async ({ params, query }, ctx) => await wantedReport(ctx, { ...params, ...query }),
});
