import { importFlamesRun, registerOldRun, requestFlamesImport } from '../../../commands/import-flames-runs.ts';
import { FlamesRun, ImportedRun, ImportRequest, OldRun } from '../../../schemas/flames.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { placesOf, visibleRun } from './visible-run.ts';

export const registerOldFlamesRunRoute = defineRoute({
  id: 'registerOldFlamesRun',
  method: 'post',
  path: '/flames/old-runs',
  summary: 'Take in an evaluation from before there were tasks, as it was stored then; its logs may stay inside its result',
  tags: ['flames'],
  rights: 'operator',
  large_body: { text_bytes: 8_388_608 },
  body: OldRun,
  response: { status: 201, schema: FlamesRun },
  handle: async ({ body }, ctx) => {
    const run = await registerOldRun(ctx, body);
    return withHeaders(run, { Location: `/api/v1/flames/runs/${run.task_id}` });
  },
});

export const importFlamesRunRoute = defineRoute({
  id: 'importFlamesRun',
  method: 'post',
  path: '/flames/runs/{task_id}/import',
  summary: 'Bring the rows of an evaluation into the table, from its result or from files',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  response: { status: 200, schema: ImportedRun },
  handle: async ({ params }, ctx) => {
    const run = await visibleRun(ctx, params.task_id);
    return await importFlamesRun(ctx, placesOf(ctx), run.task_id);
  },
});

export const importFlamesRunsRoute = defineRoute({
  id: 'importFlamesRuns',
  method: 'post',
  path: '/flames/import',
  summary: 'Bring the rows of all old evaluations into the table, in the background; those too of which only a folder of logs is there',
  tags: ['flames'],
  rights: 'operator',
  response: { status: 202, schema: ImportRequest },
  handle: async (_input, ctx) => await requestFlamesImport(ctx, placesOf(ctx)),
});
