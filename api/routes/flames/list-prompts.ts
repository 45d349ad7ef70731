import { z } from 'zod';
import { listPrompts } from '../../../entities/flames-dataset.queries.ts';
import { FlamesPrompt } from '../../../schemas/flames.ts';
import { text } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { DatasetPath } from '../paths.ts';
import { visibleDataset } from './visible-run.ts';

export const listFlamesPromptsRoute = defineRoute({
  id: 'listFlamesPrompts',
  method: 'get',
  path: '/flames/datasets/{id}/prompts',
  summary: 'List the prompts of a dataset in their order',
  tags: ['flames'],
  rights: 'user',
  params: DatasetPath,
  query: z.strictObject({ ...PageQuery, dimension: text(100).min(1).optional() }),
  response: { status: 200, schema: pageOf(FlamesPrompt) },
  handle: async ({ params, query: { limit, cursor, dimension } }, ctx) => {
    const { id } = await visibleDataset(ctx, params.id);
    return await listPrompts(ctx.em, { dataset_id: id, dimension }, { limit, cursor: cursor ?? null });
  },
});
