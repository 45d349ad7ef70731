import { defineEntity, p } from '@mikro-orm/core';
import type { OutcomeError } from '../core/outcome.ts';
import { cores, times } from './columns.ts';
import { Task } from './task.ts';
import { Worker } from './worker.ts';

const InstanceSchema = defineEntity({
  name: 'Instance',
  tableName: 'instances',
  properties: {
    runid: p.uuid().primary().defaultRaw('uuidv7()'),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().index('idx_instances_task'),
    attempt: p.integer(),
    status: p
      .enum(['starting', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'lost'] as const)
      .default('starting')
      .index('idx_instances_status'),
    start_time: p.datetime(3).nullable().index('idx_instances_time'),
    end_time: p.datetime(3).nullable(),
    logs: p.text().nullable().lazy(),
    tags: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    workflow_id: p.text().index('idx_instances_workflow'),
    temporal_run_id: p.text().nullable(),
    worker: () => p.manyToOne(Worker).ref(),
    boot_id: p.uuid().nullable(),
    lease_epoch: p.integer().default(0),
    heartbeat_at: p.datetime(3).nullable(),
    cancel_requested_at: p.datetime(3).nullable(),
    cpu: cores(),
    memory_mb: p.integer(),
    timeout: p.integer(),
    progress: p.integer().default(0),
    progress_note: p.text().nullable(),
    code: p.text().nullable(),
    result: p.json<Record<string, unknown>>().nullable(),
    error: p.json<OutcomeError>().nullable(),
    log_lines: p.integer().default(0),
    log_lines_cut: p.integer().default(0),
    due_at: p.datetime(3).nullable(),
    cancel_grace_s: p.integer().nullable(),
    stop_by: p.datetime(3).nullable(),
    admitted_at: p.datetime(3).nullable().defaultRaw('clock_timestamp()'),
    ...times,
  },
  uniques: [{ name: 'instances_task_attempt_key', properties: ['task', 'attempt'] }],
  indexes: [
    {
      name: 'instances_one_live_per_task',
      expression: `create unique index instances_one_live_per_task on instances (task_id) where status in ('starting', 'running')`,
    },
    {
      name: 'idx_instances_live',
      expression: `create index idx_instances_live on instances (worker, created_at) where status in ('starting', 'running')`,
    },
    {
      name: 'idx_instances_stop_by',
      expression: `create index idx_instances_stop_by on instances (stop_by) where status in ('starting', 'running') and stop_by is not null`,
    },
    { name: 'idx_instances_created', properties: ['created_at', 'runid'] },
  ],
  checks: [
    { name: 'instances_end_check', expression: `(status in ('starting', 'running')) = (end_time is null)` },
    { name: 'instances_progress_check', expression: 'progress >= 0 and progress <= 100' },
  ],
});

/**
 * One execution of a task. `starting` and `running` hold a grant; final states never change. `lease_epoch`: number of the activity execution that
 * owns it; every heartbeat, log and finish write names it, so that a superseded one writes nothing. `logs`: the last 64 KB, written at the end;
 * all lines are in `instance_logs`. `log_lines`: stored lines, `log_lines_cut`: those over the cap. `timeout` in seconds.
 * `due_at`: end of the task's total time-out. `cancel_grace_s`: what a cancellation leaves the work to end by itself; null: as the engine likes.
 * `stop_by`: ended by force when it is still live then. `created_at` is the moment for which it was decided that it may start, `admitted_at`, by which waiting is judged,
 * the one at which that was written, taken while its task was locked; null for instances that are older than that column.
 */
export class Instance extends InstanceSchema.class {}
InstanceSchema.setClass(Instance);
