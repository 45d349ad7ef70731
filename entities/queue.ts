import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Pool } from './pool.ts';
import { Sla } from './sla.ts';

const QueueSchema = defineEntity({
  name: 'Queue',
  tableName: 'queues',
  properties: {
    name: p.text().primary(),
    capacity: p.integer(),
    current_load: p.integer().default(0),
    ceiling: p.integer().default(0),
    status: p
      .enum(['active', 'hold', 'drain'] as const)
      .default('active')
      .index('idx_queues_status'),
    priority: p.integer().default(50).index('idx_queues_priority'),
    step_s: p.integer().default(60),
    max_depth: p.integer().nullable(),
    pool: () => p.manyToOne(Pool).ref(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    ...times,
  },
  checks: [
    { name: 'queues_capacity_check', expression: 'capacity >= 0' },
    { name: 'queues_current_load_check', expression: 'current_load >= 0 and current_load <= ceiling' },
    { name: 'queues_range_check', expression: 'priority >= 0 and priority <= 100 and step_s >= 0 and max_depth >= 0' },
  ],
});

/**
 * A waiting line. `current_load` counts instances that hold resources and stays within `capacity` (`ceiling` = greatest(capacity, load), kept
 * by a trigger, so that a lowered capacity lets running work finish). `step_s`: seconds of waiting that weigh as much as one point of priority.
 * `max_depth` null: any number of tasks may wait.
 */
export class Queue extends QueueSchema.class {}
QueueSchema.setClass(Queue);
