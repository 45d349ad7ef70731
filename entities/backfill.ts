import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Schedule } from './schedule.ts';
import { User } from './user.ts';

const BackfillSchema = defineEntity({
  name: 'Backfill',
  tableName: 'backfills',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    schedule: () => p.manyToOne(Schedule).fieldName('schedule_id').ref(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    status: p.enum(['running', 'completed', 'cancelled'] as const).default('running'),
    from_at: p.datetime(3),
    until_at: p.datetime(3),
    cursor_at: p.datetime(3),
    max_active: p.integer(),
    total: p.integer(),
    submitted: p.integer().default(0),
    failed: p.integer().default(0),
    completed_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_backfills_schedule', properties: ['schedule', 'id'] },
    { name: 'idx_backfills_running', expression: `create index idx_backfills_running on backfills (id) where status = 'running'` },
  ],
  checks: [
    {
      name: 'backfills_range_check',
      expression: 'max_active >= 1 and total >= 0 and submitted >= 0 and failed >= 0 and from_at <= until_at',
    },
  ],
});

/**
 * Runs the fires of a past range that did not run, at most `max_active` tasks at a time. `cursor_at`: what lies before is dealt with. `total`:
 * fires to run, counted at the start. It never touches the schedule's own cursor.
 */
export class Backfill extends BackfillSchema.class {}
BackfillSchema.setClass(Backfill);
