import { defineEntity, p } from '@mikro-orm/core';
import type { OutcomeError } from '../core/outcome.ts';
import { times } from './columns.ts';
import { FlamesDataset } from './flames-dataset.ts';
import { Task } from './task.ts';
import { User } from './user.ts';

export const FLAMES_STATUSES = ['pending', 'running', 'scoring', 'completed', 'failed', 'cancelled', 'partial'] as const;
export const LOG_PLACES = ['database', 'files', 'result', 'removed'] as const;

const TaskFlamesSchema = defineEntity({
  name: 'TaskFlames',
  tableName: 'task_flames',
  properties: {
    task_id: p.string().length(64).primary(),
    task: () => p.manyToOne(Task).fieldName('task_uuid').ref().nullable().deleteRule('set null').unique('task_flames_task_uuid_key'),
    user: () => p.manyToOne(User).fieldName('user_id').ref().nullable(),
    name: p.text().default(''),
    model: p.text().nullable(),
    base_url: p.text().nullable(),
    dataset: () =>
      p.manyToOne(FlamesDataset).fieldName('dataset_id').ref().nullable().deleteRule('set null').index('idx_task_flames_dataset'),
    params: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    scorer: p.text().nullable(),
    status: p.enum(FLAMES_STATUSES).default('pending').index('idx_task_flames_status'),
    total: p.integer().default(0),
    done: p.integer().default(0),
    failed: p.integer().default(0),
    submit_time: p.datetime(3).defaultRaw('now()'),
    start_time: p.datetime(3).nullable(),
    end_time: p.datetime(3).nullable(),
    result: p.json<Record<string, unknown>>().nullable(),
    error: p.json<OutcomeError>().nullable(),
    logs: p.enum(LOG_PLACES).default('database'),
    has_files: p.boolean().default(false),
    repair_at: p.datetime(3).nullable(),
    repair_tries: p.integer().default(0),
    repair_error: p.text().nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_task_flames_submit', properties: ['submit_time', 'task_id'] },
    { name: 'idx_task_flames_user', properties: ['user', 'submit_time', 'task_id'] },
    {
      name: 'idx_task_flames_end',
      expression: `create index idx_task_flames_end on task_flames (end_time, task_id) where logs <> 'removed'`,
    },
    {
      name: 'idx_task_flames_repair',
      expression: 'create index idx_task_flames_repair on task_flames (repair_at) where repair_at is not null',
    },
  ],
  checks: [{ name: 'task_flames_range_check', expression: 'total >= 0 and done >= 0 and failed >= 0 and repair_tries >= 0' }],
});

/**
 * One evaluation. It outlives its task (`task_uuid` null then), and runs from before there were tasks never had one. Status and times follow the task, by
 * trigger; `partial`: it completed, but too few answers have a score. `done`: prompts with which nothing more happens, `failed`: those that came to no
 * score for an error. `result`: the figures, small. `logs`: where its rows are: in `task_flames_logs`; at least partly in files only; inside `result`, as
 * old runs have them; removed by age. `has_files`: there may be copies of rows among the artifacts. `repair_at`: when somebody is next to look whether rows
 * and figures are complete, null: they are, or nobody wants that; a trigger sets it when a run ends without its figures.
 */
export class TaskFlames extends TaskFlamesSchema.class {}
TaskFlamesSchema.setClass(TaskFlames);
