import { defineEntity, p } from '@mikro-orm/core';
import type { ColumnMapping } from '../core/flames/dataset.ts';
import { times } from './columns.ts';
import { User } from './user.ts';

const FlamesDatasetSchema = defineEntity({
  name: 'FlamesDataset',
  tableName: 'flames_dataset',
  properties: {
    id: p.integer().primary().autoincrement(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    name: p.text(),
    version: p.integer(),
    shared: p.boolean().default(false),
    format: p.enum(['jsonl', 'csv'] as const),
    mapping: p.json<ColumnMapping>(),
    sha256: p.string().length(64),
    content_hash: p.string().length(64),
    prompts: p.integer().default(0),
    groups: p.json<{ dimension: string; subcomponent: string | null; prompts: number }[]>().defaultRaw(`'[]'::jsonb`),
    ...times,
  },
  uniques: [
    { name: 'flames_dataset_version_key', properties: ['user', 'name', 'version'] },
    { name: 'flames_dataset_content_key', properties: ['user', 'name', 'content_hash'] },
  ],
});

/**
 * A set of prompts; never changes once it is there: other prompts under the same name are another version. `sha256`: of the file as it came;
 * `content_hash`: of what it says, whatever its format, which is what versions go by. `groups`: prompts by sub-dimension. `shared`: others may use it too.
 */
export class FlamesDataset extends FlamesDatasetSchema.class {}
FlamesDatasetSchema.setClass(FlamesDataset);
