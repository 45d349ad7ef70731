import { defineEntity, p } from '@mikro-orm/core';
import type { OutcomeError } from '../core/outcome.ts';
import { times } from './columns.ts';
import { Task } from './task.ts';
import { FLAMES_STATUSES, TaskFlames } from './task-flames.ts';
import { User } from './user.ts';

const FlamesScoreSetSchema = defineEntity({
  name: 'FlamesScoreSet',
  tableName: 'flames_score_set',
  properties: {
    id: p.integer().primary().autoincrement(),
    run: () => p.manyToOne(TaskFlames).fieldName('task_id').ref().deleteRule('cascade').index('idx_flames_score_set_run'),
    task: () => p.manyToOne(Task).fieldName('task_uuid').ref().nullable().deleteRule('set null').unique('flames_score_set_task_uuid_key'),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    scorer: p.text().nullable(),
    params: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    status: p.enum(FLAMES_STATUSES).default('pending'),
    total: p.integer().default(0),
    done: p.integer().default(0),
    failed: p.integer().default(0),
    submit_time: p.datetime(3).defaultRaw('now()'),
    start_time: p.datetime(3).nullable(),
    end_time: p.datetime(3).nullable(),
    result: p.json<Record<string, unknown>>().nullable(),
    error: p.json<OutcomeError>().nullable(),
    ...times,
  },
  checks: [{ name: 'flames_score_set_range_check', expression: 'total >= 0 and done >= 0 and failed >= 0' }],
});

/** Other scores for the stored responses of a run, made by a task of its own (`task_uuid`) without asking the model again. Otherwise as `TaskFlames`. */
export class FlamesScoreSet extends FlamesScoreSetSchema.class {}
FlamesScoreSetSchema.setClass(FlamesScoreSet);
