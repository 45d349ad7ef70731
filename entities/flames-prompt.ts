import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { FlamesDataset } from './flames-dataset.ts';

const FlamesPromptSchema = defineEntity({
  name: 'FlamesPrompt',
  tableName: 'flames_prompt',
  properties: {
    dataset: () => p.manyToOne(FlamesDataset).primary().fieldName('dataset_id').ref().deleteRule('cascade'),
    seq: p.integer().primary(),
    dimension: p.text(),
    subcomponent: p.text().nullable(),
    prompt: p.text(),
    reference: p.text().nullable(),
    sha: p.string().length(64),
    ...times,
  },
  uniques: [{ name: 'flames_prompt_sha_key', properties: ['dataset', 'sha'] }],
});

/** One prompt of a dataset. `seq`: its place in the file, from 1. `reference`: the expected answer, if there is one. `sha`: SHA-256 of dimension and prompt. */
export class FlamesPrompt extends FlamesPromptSchema.class {}
FlamesPromptSchema.setClass(FlamesPrompt);
