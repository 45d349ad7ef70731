import { defineEntity, p } from '@mikro-orm/core';
import type { OutcomeError } from '../core/outcome.ts';
import type { RetryPolicy } from '../core/retry.ts';
import { isFinalTask } from '../core/states.ts';
import { cores, times } from './columns.ts';
import { Queue } from './queue.ts';
import { Sla } from './sla.ts';
import { Template } from './template.ts';
import { TemplateVersion } from './template-version.ts';
import { User } from './user.ts';

/** The database computes these when they are read (`virtual`); the ORM's comparison of schemas takes every generated column for a stored one. */
const computed = {
  prompt: p.text().nullable().generated(`(case when (type = 'video') then (parameters ->> 'prompt') else null end) stored`),
  error_message: p.text().nullable().generated(`(error ->> 'message') stored`),
  duration: p.double().nullable().generated('(extract(epoch from completed_at - started_at)::float8) stored'),
};

const TaskSchema = defineEntity({
  name: 'Task',
  tableName: 'tasks',
  properties: {
    uuid: p.uuid().primary().defaultRaw('uuidv7()'),
    name: p.text(),
    template: () => p.manyToOne(Template).ref(),
    template_version: () => p.manyToOne(TemplateVersion).fieldName('template_version_id').ref(),
    type: p.text().index('idx_tasks_type'),
    status: p.enum(['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'] as const).index('idx_tasks_status'),
    pending_reason: p.enum(['not_before', 'retry', 'dependency', 'hold'] as const).nullable(),
    status_reason: p.text().nullable(),
    parameters: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    priority: p.integer().default(50),
    timeout: p.integer().default(3600),
    queue: () => p.manyToOne(Queue).ref(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    tags: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    cpu: cores(),
    memory_mb: p.integer(),
    need: p.text(),
    vtime: p.datetime(3),
    eligible_at: p.datetime(3),
    not_before: p.datetime(3).nullable(),
    queued_at: p.datetime(3).nullable(),
    started_at: p.datetime(3).nullable(),
    completed_at: p.datetime(3).nullable(),
    attempt: p.integer().default(0),
    retries_used: p.integer().default(0),
    retry_policy: p.json<RetryPolicy>(),
    at_most_once: p.boolean().default(false),
    quota_cost: p.integer().default(0),
    concurrency_key: p.text().nullable(),
    parked: p.boolean().default(false),
    rate_key: p.text().nullable(),
    throttled: p.boolean().default(false),
    deadline: p.datetime(3).nullable(),
    cancel_requested_at: p.datetime(3).nullable(),
    cancel_reason: p.text().nullable(),
    progress: p.integer().default(0),
    result: p.json<Record<string, unknown>>().nullable(),
    error: p.json<OutcomeError>().nullable(),
    source_id: p.uuid().nullable(),
    held_at: p.datetime(3).nullable(),
    waits_for: p.integer().default(0),
    queue_timeout_s: p.integer().nullable(),
    start_timeout_s: p.integer().nullable(),
    total_timeout_s: p.integer().nullable(),
    start_timeouts: p.integer().default(0),
    losses: p.integer().default(0),
    due_at: p.datetime(3).nullable(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    caused_by: p.uuid().nullable(),
    sla_depth: p.integer().default(0),
    nominal_at: p.datetime(3).nullable(),
    stop_as: p.enum(['failed', 'retry'] as const).nullable(),
    total_scenes: p.integer().default(0),
    completed_scenes: p.integer().default(0),
    final_video_path: p.string().length(500).nullable(),
    batchable: p.boolean().default(false),
    ...computed,
    ...times,
  },
  indexes: [
    { name: 'idx_tasks_created', properties: ['created_at', 'uuid'] },
    { name: 'idx_tasks_user', properties: ['user', 'created_at'] },
    {
      name: 'idx_tasks_waiting',
      expression: `create index idx_tasks_waiting on tasks (queue, parked, throttled, cpu, memory_mb, need, vtime, uuid) where status = 'queued'`,
    },
    {
      name: 'idx_tasks_line',
      expression: `create index idx_tasks_line on tasks (queue, vtime, uuid) where status = 'queued' and not parked and not throttled`,
    },
    { name: 'idx_tasks_due', expression: `create index idx_tasks_due on tasks (not_before) where status = 'pending'` },
    {
      name: 'idx_tasks_source_live',
      expression: `create index idx_tasks_source_live on tasks (source_id) where source_id is not null and status in ('pending', 'queued', 'processing')`,
    },
    {
      name: 'idx_tasks_key',
      expression: `create index idx_tasks_key on tasks (concurrency_key, parked, vtime, uuid) where concurrency_key is not null and status in ('queued', 'processing')`,
    },
    {
      name: 'idx_tasks_rate',
      expression: `create index idx_tasks_rate on tasks (rate_key, throttled, queue, need, vtime, uuid) where rate_key is not null and status = 'queued'`,
    },
    {
      name: 'idx_tasks_completed',
      expression: `create index idx_tasks_completed on tasks (template, completed_at) where status = 'completed'`,
    },
    {
      name: 'idx_tasks_overdue',
      expression: `create index idx_tasks_overdue on tasks (due_at) where status in ('pending', 'queued') and due_at is not null`,
    },
    { name: 'idx_tasks_failed', expression: `create index idx_tasks_failed on tasks (completed_at) where status = 'failed'` },
    {
      name: 'idx_tasks_caused',
      expression: 'create index idx_tasks_caused on tasks (caused_by) where caused_by is not null',
    },
    { name: 'idx_tasks_video', expression: `create index idx_tasks_video on tasks (created_at, uuid) where type = 'video'` },
    {
      name: 'idx_tasks_video_user',
      expression: `create index idx_tasks_video_user on tasks (user_id, created_at, uuid) where type = 'video'`,
    },
    { name: 'idx_tasks_tags', expression: 'create index idx_tasks_tags on tasks using gin (tags jsonb_path_ops)' },
  ],
  checks: [
    {
      name: 'tasks_range_check',
      expression: 'priority >= 0 and priority <= 100 and timeout > 0 and cpu >= 0 and memory_mb >= 0 and quota_cost >= 0',
    },
    {
      name: 'tasks_controls_check',
      expression: 'waits_for >= 0 and start_timeouts >= 0 and queue_timeout_s > 0 and start_timeout_s > 0 and total_timeout_s > 0',
    },
    { name: 'tasks_scenes_check', expression: 'completed_scenes >= 0 and completed_scenes <= total_scenes' },
    { name: 'tasks_losses_check', expression: 'losses >= 0' },
    { name: 'tasks_progress_check', expression: 'progress >= 0 and progress <= 100' },
    { name: 'tasks_pending_check', expression: `(status = 'pending') = (pending_reason is not null)` },
  ],
});

/**
 * One request to run a template. `timeout`: seconds an instance may run. `vtime`: order key, smaller is sooner, from `eligible_at`, `priority` and `deadline`; see
 * `vtimeOf`.
 * `need`: what an admission must find for it (engine, cores, memory) as one key, so that equal needs are looked at once. `attempt`: number of the
 * last instance, always rising; `retries_used`: those that the retry policy counts. `result` and `error` repeat the last instance's.
 * `source_id`: the schedule or backfill that submitted it, which counts its tasks that are not final by it; null: neither.
 * `parked`: it waits for a place of its `concurrency_key` and is no candidate until it gets one. `throttled`: likewise for a token of the bucket `rate_key`.
 * `held_at`: nothing of it starts until it is released. `waits_for`: open rows in `task_dependencies`. Time-outs in seconds, null for none:
 * `queue_timeout_s` since it was queued, `start_timeout_s` of a starting instance, `total_timeout_s` since `eligible_at`. `start_timeouts`: instances in
 * a row that nobody started, `losses`: that were lost. `batchable`: several of them that
 * start together may share a workflow. `due_at`: when the first of the clocks that run now is over; kept by a trigger.
 * `caused_by`: the breach that had it run; `sla_depth`: how many breaches stand before it. `nominal_at`: the fire that it is the task of. `stop_as`: what it becomes
 * when its running instance has stopped as asked, instead of cancelled.
 * Of videos: `total_scenes`, `completed_scenes`, `final_video_path` (key in the artifact store), `prompt`; `error_message` and `duration` (seconds
 * from first start to end) follow from other columns, for every task.
 */
export class Task extends TaskSchema.class {
  /** True when nothing but a retry command can move it. */
  isFinal(): boolean {
    return isFinalTask(this.status);
  }
}
TaskSchema.setClass(Task);
