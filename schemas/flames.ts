import { z } from 'zod';
import { LogStatus } from '../core/flames/log-entry.ts';
import { text } from './limits.ts';
import { OutcomeError } from './task.ts';

const instant = z.iso.datetime();
const count = z.int().min(0);
const percent = z.number().min(0).max(100).nullable();

/** Id of a run: the task's uuid, or what an old run was called. */
export const RunId = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"');

export const FlamesStatus = z.enum(['pending', 'running', 'scoring', 'completed', 'failed', 'cancelled', 'partial']);
export const LogPlace = z.enum(['database', 'files', 'result', 'removed']);

/** Name of a dataset. */
export const DatasetName = text(100)
  .min(1)
  .refine((name) => name.trim() === name && !/\p{Cc}/u.test(name), 'must not begin or end with white space or hold control characters');

/** A version of a set of prompts. `sha256`: of the file as it came; `content_hash`: of what it says, which is what versions go by. */
export const FlamesDataset = z
  .object({
    id: z.int(),
    name: z.string(),
    version: z.int(),
    user: z.string(),
    shared: z.boolean().describe('others may use it too'),
    format: z.enum(['jsonl', 'csv']),
    mapping: z.object({ dimension: z.string(), subcomponent: z.string(), prompt: z.string(), reference: z.string() }),
    sha256: z.string(),
    content_hash: z.string(),
    prompts: count,
    groups: z.array(z.object({ dimension: z.string(), subcomponent: z.string().nullable(), prompts: count })),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'FlamesDataset' });
export type FlamesDataset = z.output<typeof FlamesDataset>;

/** One prompt of a dataset; `seq`: its place, from 1. */
export const FlamesPrompt = z
  .object({
    seq: z.int(),
    dimension: z.string(),
    subcomponent: z.string().nullable(),
    prompt: z.string(),
    reference: z.string().nullable(),
  })
  .meta({ id: 'FlamesPrompt' });
export type FlamesPrompt = z.output<typeof FlamesPrompt>;

const figures = {
  n: count.describe('prompts that were asked'),
  scored: count.describe('those with a score; all rates go over these'),
  coverage: percent.describe('scored of n, in percent'),
  counts: z.object({ 1: count, 2: count, 3: count }).describe('answers by score; 3 is harmless'),
  refused: count,
  errors: count,
  unparsed: count,
  pending: count.describe('answered, not yet scored'),
  harmless_rate: percent.describe('share of answers with score 3, in percent'),
  harmless_score: percent.describe('sum of scores over the greatest possible sum, in percent'),
  rate_low: percent.describe('lower end of the 95 % interval of harmless_rate (Wilson)'),
  rate_high: percent.describe('upper end'),
};

/** The figures of a run. `macro_…`: unweighted means of the dimensions, which is what Flames publishes; the others of `overall` weigh each prompt alike. */
export const FlamesFigures = z
  .object({
    overall: z.object({ ...figures, macro_rate: percent, macro_score: percent }),
    dimensions: z.array(
      z.object({
        dimension: z.string(),
        ...figures,
        subcomponents: z.array(z.object({ subcomponent: z.string().nullable(), ...figures })),
      }),
    ),
  })
  .meta({ id: 'FlamesFigures' });

/** Other scores of the same responses. `task`: the task that made them, while it is kept. */
export const FlamesScoreSet = z
  .object({
    id: z.int(),
    task: z.uuid().nullable(),
    scorer: z.string().nullable(),
    status: FlamesStatus,
    total: count,
    done: count,
    failed: count,
    submit_time: instant,
    start_time: instant.nullable(),
    end_time: instant.nullable(),
    macro_rate: percent,
    error: OutcomeError.nullable(),
  })
  .meta({ id: 'FlamesScoreSet' });
export type FlamesScoreSet = z.output<typeof FlamesScoreSet>;

/** One evaluation. `task`: null for runs from before there were tasks, and once the task was removed by age. `logs`: where its rows are. */
export const FlamesRun = z
  .object({
    task_id: z.string(),
    task: z.uuid().nullable(),
    user: z.string().nullable(),
    name: z.string(),
    model: z.string().nullable(),
    base_url: z.string().nullable(),
    dataset_id: z.int().nullable(),
    dataset: z.string().nullable(),
    scorer: z.string().nullable(),
    status: FlamesStatus,
    total: count.describe('prompts to ask'),
    done: count.describe('prompts with which nothing more happens'),
    failed: count.describe('of these, those without an answer or a judgement'),
    macro_rate: percent.describe('overall harmless rate, once it has ended'),
    logs: LogPlace,
    submit_time: instant,
    start_time: instant.nullable(),
    end_time: instant.nullable(),
    error: OutcomeError.nullable(),
    repair_error: z.string().nullable().describe('why the rows could not be brought into the table yet'),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'FlamesRun' });
export type FlamesRun = z.output<typeof FlamesRun>;

export const FlamesRunDetail = FlamesRun.extend({
  params: z.record(z.string(), z.unknown()),
  score_sets: z.array(FlamesScoreSet),
}).meta({ id: 'FlamesRunDetail' });

/** One row of a run's log. */
export const FlamesLog = z
  .object({
    prompt_seq: z.int(),
    epoch: z.int(),
    dimension: z.string(),
    subcomponent: z.string().nullable(),
    prompt: z.string().nullable(),
    response: z.string().nullable(),
    predicted: z
      .union([z.literal(1), z.literal(2), z.literal(3)])
      .nullable()
      .describe('null: no score, `status` says why; never 0'),
    status: z.enum(LogStatus),
    error: z.string().nullable(),
    judgement: z.string().nullable(),
  })
  .meta({ id: 'FlamesLog' });

/** Where the figures of a report come from: rows of the table, files, the old `result`, or the figures kept after the rows were removed. */
const LogSource = z.enum(['database', 'files', 'result', 'summary']);

/** Figures of a run with the lowest-scored examples of each dimension. */
export const FlamesReport = z
  .object({
    task_id: z.string(),
    name: z.string(),
    model: z.string().nullable(),
    dataset_id: z.int().nullable(),
    status: FlamesStatus,
    scorer: z.string().nullable(),
    score_set: z.int().nullable().describe('null: the run’s own scores'),
    total: count,
    source: LogSource,
    ...FlamesFigures.shape,
    warnings: z.array(z.string()),
    examples: z.array(z.object({ dimension: z.string(), logs: z.array(FlamesLog) })),
  })
  .meta({ id: 'FlamesReport' });
export type FlamesReport = z.output<typeof FlamesReport>;

const rate = {
  task_id: z.string(),
  harmless_rate: percent,
  difference: z.number().nullable().describe('percentage points above the first run'),
};

/** Runs side by side; the first is what the others are measured by. `changes`: the prompts that both asked. */
export const FlamesComparison = z
  .object({
    runs: z.array(
      z.object({
        task_id: z.string(),
        name: z.string(),
        model: z.string().nullable(),
        dataset_id: z.int().nullable(),
        scorer: z.string().nullable(),
      }),
    ),
    overall: z.array(z.object(rate)),
    dimensions: z.array(
      z.object({
        dimension: z.string(),
        runs: z.array(z.object({ ...rate, distinct: z.boolean().nullable().describe('the 95 % intervals do not meet') })),
      }),
    ),
    changes: z.array(
      z.object({
        task_id: z.string(),
        compared: count.describe('prompts that both runs scored'),
        better: count,
        worse: count,
        same: count,
        p_value: z.number().describe('probability of so uneven a split by chance (sign test)'),
      }),
    ),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'FlamesComparison' });
export type FlamesComparison = z.output<typeof FlamesComparison>;

/** Size of the logs table and where it comes from. */
export const FlamesStatistics = z
  .object({
    logs_table: z.object({ rows: count.describe('estimate of PostgreSQL'), table_bytes: count, index_bytes: count, total_bytes: count }),
    runs: z.array(z.object({ status: FlamesStatus, logs: LogPlace, count })),
    waiting_for_repair: count,
    cached_answers: count,
    largest: z.array(
      z.object({ task_id: z.string(), name: z.string(), status: FlamesStatus, end_time: instant.nullable(), log_count: count }),
    ),
  })
  .meta({ id: 'FlamesStatistics' });
export type FlamesStatistics = z.output<typeof FlamesStatistics>;

const BIG_JSON = z.record(z.string(), z.unknown());

/** An evaluation from before there were tasks, as it was stored then. */
export const OldRun = z
  .strictObject({
    task_id: RunId,
    name: text(200).default(''),
    model: text(200).nullable().default(null),
    status: z.enum(['completed', 'failed', 'cancelled', 'partial']).default('completed'),
    submit_time: z.iso.datetime({ offset: true }).nullable().default(null),
    end_time: z.iso.datetime({ offset: true }).nullable().default(null),
    result: BIG_JSON.nullable().default(null).describe('as it was, with the logs inside under `logs` if they were there'),
  })
  .meta({ id: 'OldRun' });
export type OldRun = z.output<typeof OldRun>;

/** What an import of old logs came to. */
export const ImportedRun = z
  .object({ task_id: z.string(), rows: count.describe('rows of the run in the table now'), unreadable: count, logs: LogPlace })
  .meta({ id: 'ImportedRun' });
export type ImportedRun = z.output<typeof ImportedRun>;

/** An import of all old runs: done in the background. */
export const ImportRequest = z
  .object({ found: count.describe('folders of old logs that had no run yet'), requested: count.describe('runs that will be imported') })
  .meta({ id: 'ImportRequest' });
export type ImportRequest = z.output<typeof ImportRequest>;
