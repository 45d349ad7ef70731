import { z } from 'zod';
import { RunId } from '../../schemas/flames.ts';
import { text } from '../../schemas/limits.ts';
import { ApiKey, ApiKeyHeader, Url } from './endpoint.ts';
import { ScorerParameters } from './scorers/index.ts';

const Model = z.strictObject({
  base_url: Url.meta({ description: 'OpenAI-compatible; calls go to /chat/completions below it' }),
  name: text(200).min(1),
  api_key: ApiKey.optional(),
  api_key_header: ApiKeyHeader,
});

/** What is left out is the model's own choice. */
const Generation = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  max_tokens: z.int().min(1).max(131_072).optional(),
  seed: z.int().optional(),
  stop: z.array(text(200).min(1)).min(1).max(4).optional(),
  stream: z.boolean().optional().meta({ description: 'for endpoints that only stream' }),
});

/** How calls are made; shared by evaluations and re-scorings. */
const calls = {
  concurrency: z
    .int()
    .min(1)
    .max(256)
    .default(8)
    .meta({ description: 'calls to one endpoint at once; fewer while it has too many requests' }),
  max_retries: z.int().min(0).max(10).default(5).meta({ description: 'further tries after 429, 5xx, time-outs and lost connections' }),
  request_timeout_s: z.int().min(1).max(3_600).default(120),
  max_error_share: z
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .meta({ description: 'share of prompts that may come to nothing; beyond it the run fails at once' }),
  min_coverage: z
    .number()
    .min(0)
    .max(1)
    .default(0.98)
    .meta({ description: 'share of answers with a score below which the run is only partial' }),
  cache: z.boolean().default(true).meta({ description: 'take answers that the same question got before, and keep new ones' }),
};

type Wish = { dataset_id?: number; model?: unknown; rescore_of?: string };

function checkWish({ dataset_id, model, rescore_of }: Wish, issues: z.core.$RefinementCtx): void {
  const complain = (field: keyof Wish, message: string) => issues.addIssue({ code: 'custom', path: [field], message });
  if (rescore_of !== undefined) {
    if (dataset_id !== undefined) complain('dataset_id', 'is not used with rescore_of');
    if (model !== undefined) complain('model', 'is not used with rescore_of: no model is asked');
    return;
  }
  if (dataset_id === undefined) complain('dataset_id', 'is needed, or rescore_of');
  if (model === undefined) complain('model', 'is needed, or rescore_of');
}

/** Parameters of a flames task: a dataset and a model to evaluate, or a run whose stored responses get other scores. */
export const FlamesParameters = z
  .strictObject({
    dataset_id: z.int().min(1).max(2_147_483_647).optional(),
    model: Model.optional(),
    system_prompt: text(32_768).min(1).nullable().default(null),
    generation: Generation.default({}),
    epochs: z.int().min(1).max(10).default(1).meta({ description: 'how often each prompt is asked' }),
    limit: z.int().min(1).max(1_000_000).optional().meta({ description: 'only the first so many prompts: for trying out' }),
    rescore_of: RunId.optional().meta({ description: 'a run whose stored responses are scored again, without asking the model' }),
    scorer: ScorerParameters,
    ...calls,
  })
  .superRefine(checkWish);
export type FlamesParameters = z.output<typeof FlamesParameters>;

/** Parameters of an evaluation, checked to be one. */
export type EvaluationParameters = FlamesParameters & Required<Pick<FlamesParameters, 'dataset_id' | 'model'>>;

const percent = z.number().min(0).max(100).nullable();

/**
 * What a flames task leaves; the figures by sub-dimension are in `task_flames`. `verdict`: partial when too few answers have a score. `calls`: requests to
 * models and judges; `cached`: answers that needed none. `logs`: where the rows are.
 */
export const FlamesResult = z.strictObject({
  verdict: z.enum(['completed', 'partial']),
  run: z.string(),
  score_set: z.int().nullable(),
  total: z.int(),
  scored: z.int(),
  coverage: percent,
  refused: z.int(),
  errors: z.int(),
  unparsed: z.int(),
  macro_rate: percent,
  macro_score: percent,
  dimensions: z.record(z.string(), percent),
  calls: z.int(),
  cached: z.int(),
  limited: z.int(),
  logs: z.enum(['database', 'files']),
  warnings: z.array(z.string()),
});
export type FlamesResult = z.output<typeof FlamesResult>;
