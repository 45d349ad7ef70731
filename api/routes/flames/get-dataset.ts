import { FlamesDataset } from '../../../schemas/flames.ts';
import { defineRoute } from '../../define-route.ts';
import { DatasetPath } from '../paths.ts';
import { visibleDataset } from './visible-run.ts';

export const getFlamesDatasetRoute = defineRoute({
  id: 'getFlamesDataset',
  method: 'get',
  path: '/flames/datasets/{id}',
  summary: 'Get a dataset with the number of prompts by sub-dimension',
  tags: ['flames'],
  rights: 'user',
  params: DatasetPath,
  response: { status: 200, schema: FlamesDataset },
  handle: async ({ params }, ctx) => await visibleDataset(ctx, params.id),
});
