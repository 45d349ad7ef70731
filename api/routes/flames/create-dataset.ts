import { z } from 'zod';
import { createFlamesDataset } from '../../../commands/create-flames-dataset.ts';
import { FLAMES_MAPPING } from '../../../core/flames/dataset.ts';
import { DatasetName, FlamesDataset } from '../../../schemas/flames.ts';
import { text } from '../../../schemas/limits.ts';
import { defineRoute, otherwise, withHeaders } from '../../define-route.ts';

const Column = text(100).min(1);
const CSV = 'text/csv';

export const createFlamesDatasetRoute = defineRoute({
  id: 'createFlamesDataset',
  method: 'post',
  path: '/flames/datasets',
  summary:
    'Upload a dataset of prompts, as JSON lines or CSV; the same content again is the same dataset, other content under the name a new version',
  tags: ['flames'],
  rights: 'user',
  query: z.strictObject({
    name: DatasetName,
    shared: z.enum(['true', 'false']).default('false').describe('for everybody; for operators'),
    prompt: Column.default(FLAMES_MAPPING.prompt).describe('field or column with the prompt'),
    dimension: Column.default(FLAMES_MAPPING.dimension),
    subcomponent: Column.default(FLAMES_MAPPING.subcomponent).describe('taken where it is there'),
    reference: Column.default(FLAMES_MAPPING.reference).describe('expected answer, taken where it is there'),
  }),
  raw_body: { types: ['application/x-ndjson', 'application/jsonl', CSV], max_bytes: 16_777_216 },
  also: { status: 200, schema: FlamesDataset },
  response: { status: 201, schema: FlamesDataset },
  handle: async ({ query: { name, shared, ...mapping }, raw }, ctx) => {
    const format = raw.type === CSV ? 'csv' : 'jsonl';
    const { dataset, created } = await createFlamesDataset(ctx, { name, shared: shared === 'true', format, mapping, stream: raw.stream });
    return created ? withHeaders(dataset, { Location: `/api/v1/flames/datasets/${dataset.id}` }) : otherwise(dataset);
  },
});
