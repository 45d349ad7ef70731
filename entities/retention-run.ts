import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const RetentionRunSchema = defineEntity({
  name: 'RetentionRun',
  tableName: 'retention_runs',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    trigger: p.enum(['schedule', 'request'] as const),
    status: p.enum(['requested', 'running', 'completed', 'failed'] as const).default('requested'),
    scheduled_for: p.datetime(3).nullable().unique('retention_runs_scheduled_for_key'),
    requested_by: p.text(),
    as_of: p.datetime(3).defaultRaw('now()'),
    removed: p.json<Record<string, number>>().defaultRaw(`'{}'::jsonb`),
    error: p.text().nullable(),
    started_at: p.datetime(3).nullable(),
    finished_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    {
      name: 'retention_runs_one_requested',
      expression: `create unique index retention_runs_one_requested on retention_runs (trigger) where status = 'requested' and trigger = 'request'`,
    },
  ],
  checks: [{ name: 'retention_runs_end_check', expression: `(status in ('completed', 'failed')) = (finished_at is not null)` }],
});

/**
 * One run of the retention. `as_of`: the instant from which ages are counted, so that a run that is taken up again removes what it began with.
 * `removed`: rows by table, written together with each batch. `scheduled_for`: the nominal time of a daily run, null for a requested one.
 */
export class RetentionRun extends RetentionRunSchema.class {}
RetentionRunSchema.setClass(RetentionRun);
