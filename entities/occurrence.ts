import { defineEntity, p } from '@mikro-orm/core';
import { OUTCOMES } from '../schemas/schedule.ts';
import { Backfill } from './backfill.ts';
import { times } from './columns.ts';
import { Schedule } from './schedule.ts';
import { Task } from './task.ts';

const OccurrenceSchema = defineEntity({
  name: 'Occurrence',
  tableName: 'occurrences',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    schedule: () => p.manyToOne(Schedule).fieldName('schedule_id').ref(),
    nominal_at: p.datetime(3),
    nominal_local: p.text(),
    ordinal: p.integer().default(1),
    outcome: p.enum(OUTCOMES),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().nullable().deleteRule('set null').index('idx_occurrences_task'),
    backfill: () => p.manyToOne(Backfill).fieldName('backfill_id').ref().nullable().deleteRule('no action'),
    count: p.integer().default(1),
    until_at: p.datetime(3).nullable(),
    note: p.text().nullable(),
    fired_at: p.datetime(3).defaultRaw('now()'),
    ...times,
  },
  uniques: [{ name: 'occurrences_schedule_nominal_key', properties: ['schedule', 'nominal_at'] }],
  indexes: [
    {
      name: 'idx_occurrences_queued',
      expression: `create index idx_occurrences_queued on occurrences (schedule_id, nominal_at) where outcome = 'queued'`,
    },
  ],
  checks: [{ name: 'occurrences_count_check', expression: 'count >= 1 and (count = 1) = (until_at is null)' }],
});

/**
 * What became of one nominal fire of a schedule: one row per UTC instant, for ever. `nominal_local` and `ordinal` tell the wall time and which
 * of two equal ones it was. A row with `count` above 1 stands for that many skipped fires up to `until_at` and begins a millisecond before the
 * first, so that it is never in the way of a row of one of them. Only `queued` and what did not run may still change, into what ran later.
 */
export class Occurrence extends OccurrenceSchema.class {}
OccurrenceSchema.setClass(Occurrence);
