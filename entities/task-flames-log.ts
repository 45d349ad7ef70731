import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { TaskFlames } from './task-flames.ts';

const TaskFlamesLogSchema = defineEntity({
  name: 'TaskFlamesLog',
  tableName: 'task_flames_logs',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(TaskFlames).fieldName('task_id').ref().deleteRule('cascade'),
    prompt_seq: p.integer(),
    epoch: p.integer().default(1),
    dimension: p.text(),
    subcomponent: p.text().nullable(),
    predicted: p.integer().nullable(),
    prompt: p.text().nullable(),
    response: p.text().nullable(),
    status: p.enum(['answered', 'ok', 'unparsed', 'refused', 'error'] as const).default('ok'),
    error: p.text().nullable(),
    judgement: p.text().nullable(),
    scorer: p.text().nullable(),
    attempts: p.integer().default(0),
    latency_ms: p.integer().nullable(),
    prompt_tokens: p.integer().nullable(),
    completion_tokens: p.integer().nullable(),
    cached: p.boolean().default(false),
    runid: p.uuid().nullable(),
    ...times,
  },
  uniques: [{ name: 'task_flames_logs_prompt_key', properties: ['task', 'prompt_seq', 'epoch'] }],
  indexes: [
    { name: 'idx_task_flames_logs_task', properties: ['task', 'dimension', 'predicted', 'prompt_seq'] },
    { name: 'idx_task_flames_logs_dimension', properties: ['dimension'] },
  ],
  checks: [
    {
      name: 'task_flames_logs_predicted_check',
      expression: `(status = 'ok') = (predicted is not null) and (predicted is null or predicted in (1, 2, 3))`,
    },
    { name: 'task_flames_logs_range_check', expression: 'prompt_seq >= 1 and epoch >= 1 and attempts >= 0' },
  ],
});

/**
 * What became of one prompt of a run: one row for each prompt and epoch, written when the answer arrives and again with its score. The rows are the
 * checkpoint of a run under way. `predicted` null: no score, and `status` says why. `judgement`: the judge's own words. `runid`: instance that wrote it.
 */
export class TaskFlamesLog extends TaskFlamesLogSchema.class {}
TaskFlamesLogSchema.setClass(TaskFlamesLog);
