import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';
import { User } from './user.ts';

const ScheduleSchema = defineEntity({
  name: 'Schedule',
  tableName: 'schedules',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    name: p.text(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    status: p.enum(['active', 'paused', 'ended'] as const).default('active'),
    status_reason: p.text().nullable(),
    cron: p.text(),
    seconds: p.boolean().default(false),
    timezone: p.text().default('UTC'),
    dst_gap: p.enum(['shift', 'skip'] as const).default('shift'),
    dst_overlap: p.enum(['first', 'both', 'last'] as const).default('first'),
    exclude: p.json<string[]>().defaultRaw(`'[]'::jsonb`),
    template: p.text(),
    template_version: p.integer().nullable(),
    parameters: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    queue: p.text().nullable(),
    priority: p.integer().nullable(),
    timeout: p.integer().nullable(),
    tags: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    overlap: p.enum(['skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'] as const).default('skip'),
    overlap_max: p.integer().default(100),
    catchup: p.enum(['none', 'last', 'all'] as const).default('last'),
    catchup_window_s: p.integer().default(86_400),
    catchup_max: p.integer().default(100),
    jitter_s: p.integer().default(0),
    start_at: p.datetime(3).nullable(),
    end_at: p.datetime(3).nullable(),
    max_runs: p.integer().nullable(),
    runs: p.integer().default(0),
    cursor_at: p.datetime(3).defaultRaw('now()'),
    checked_at: p.datetime(3).defaultRaw('now()'),
    next_at: p.datetime(3).nullable(),
    due_at: p.datetime(3).nullable(),
    mirror_hash: p.text().nullable(),
    deleted_at: p.datetime(3).nullable(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    sla_since: p.datetime(3).nullable(),
    resume_at: p.datetime(3).nullable(),
    held_by: p.text().nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_schedules_resume', expression: 'create index idx_schedules_resume on schedules (resume_at) where resume_at is not null' },
    {
      name: 'idx_schedules_due',
      expression: `create index idx_schedules_due on schedules (due_at) where status = 'active' and deleted_at is null`,
    },
    { name: 'idx_schedules_unmirrored', expression: 'create index idx_schedules_unmirrored on schedules (id) where mirror_hash is null' },
    {
      name: 'schedules_user_name_key',
      expression: 'create unique index schedules_user_name_key on schedules (user_id, name) where deleted_at is null',
    },
  ],
  checks: [
    {
      name: 'schedules_range_check',
      expression:
        'priority >= 0 and priority <= 100 and timeout > 0 and overlap_max >= 1 and catchup_window_s >= 0 and catchup_max >= 0 and jitter_s >= 0 and max_runs >= 1 and runs >= 0',
    },
  ],
});

/**
 * A rule that submits tasks. Everything up to `cursor_at` has its row in the ledger (`occurrences`); `next_at` is the next nominal fire and
 * `due_at` the same with the jitter; null: none. `template_version` null: the current one at each fire. `checked_at`: the ledger was compared
 * with the rule up to here. `mirror_hash`: what Temporal was last told, null: to be told. A deleted schedule keeps its row, since the ledger refers to it.
 * `resume_at`: when a pause of the engine's own (`held_by`) ends by itself. `sla_since`: since when `sla` applies.
 */
export class Schedule extends ScheduleSchema.class {}
ScheduleSchema.setClass(Schedule);
