import { z } from 'zod';
import { listDatasets } from '../../../entities/flames-dataset.queries.ts';
import { DatasetName, FlamesDataset } from '../../../schemas/flames.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

export const listFlamesDatasetsRoute = defineRoute({
  id: 'listFlamesDatasets',
  method: 'get',
  path: '/flames/datasets',
  summary: 'List datasets that one may use, newest first',
  tags: ['flames'],
  rights: 'user',
  query: z.strictObject({ ...PageQuery, name: DatasetName.optional() }),
  response: { status: 200, schema: pageOf(FlamesDataset) },
  handle: async ({ query: { limit, cursor, name } }, ctx) =>
    await listDatasets(ctx.em, { ...scopeOf(ctx.actor), name }, { limit, cursor: cursor ?? null }),
});
