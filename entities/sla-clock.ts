import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';
import { SlaCondition } from './sla-condition.ts';
import { Task } from './task.ts';

const SlaClockSchema = defineEntity({
  name: 'SlaClock',
  tableName: 'sla_clocks',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().deleteRule('cascade').updateRule('no action'),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref(),
    condition: () => p.manyToOne(SlaCondition).fieldName('condition_id').ref(),
    kind: p.text(),
    attempt: p.integer(),
    eligible_at: p.datetime(3),
    epoch: p.integer(),
    started_at: p.datetime(3),
    limit_ms: p.bigint('number').nullable(),
    due_at: p.datetime(3).nullable(),
    stage: p.integer().default(0),
    next_at: p.datetime(3).nullable(),
    paused_at: p.datetime(3).nullable(),
    paused_ms: p.bigint('number').default(0),
    broken_at: p.datetime(3).nullable(),
    stopped_at: p.datetime(3).nullable(),
    state: p.enum(['running', 'inactive', 'met', 'broken', 'void'] as const).default('running'),
    note: p.text().nullable(),
    ...times,
  },
  uniques: [{ name: 'sla_clocks_epoch_key', properties: ['task', 'condition', 'epoch'] }],
  indexes: [
    { name: 'idx_sla_clocks_due', expression: 'create index idx_sla_clocks_due on sla_clocks (next_at) where next_at is not null' },
    { name: 'idx_sla_clocks_open', expression: 'create index idx_sla_clocks_open on sla_clocks (sla_id, kind) where stopped_at is null' },
    {
      name: 'idx_sla_clocks_paused',
      expression: 'create index idx_sla_clocks_paused on sla_clocks (task_id) where paused_at is not null and stopped_at is null',
    },
    { name: 'idx_sla_clocks_started', properties: ['sla', 'started_at'] },
  ],
  checks: [
    {
      name: 'sla_clocks_stop_check',
      expression: `(stopped_at is null or next_at is null) and (state in ('met', 'void')) <= (stopped_at is not null)`,
    },
  ],
});

/**
 * One clock of one task. `attempt`: the instance that it belongs to, for `queue_wait` the one that it waits for; 0: the task as a whole. `epoch`: which clock of its
 * condition it is for this task, from 1. Met when `stopped_at` is at or before `due_at`, which is fixed but for time on hold. `stage`: how many stages
 * have been told of; `next_at`: when the next one is reached. `broken_at`: the instant of the breach. Written by triggers and the sweep only.
 */
export class SlaClock extends SlaClockSchema.class {}
SlaClockSchema.setClass(SlaClock);
