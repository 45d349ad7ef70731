import { defineEntity, p } from '@mikro-orm/core';
import { QueuePolicy } from '../core/admission-state.ts';
import { Fairness } from '../core/fair-share.ts';
import type { RateLimit } from '../core/token-bucket.ts';
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
    policy: p.enum(Object.values(QueuePolicy)).default('backfill'),
    reserve_after_s: p.integer().default(120),
    strict_priority: p.boolean().default(false),
    rate_limit: p.json<Omit<RateLimit, 'key'>>().nullable(),
    fairness: p.enum(Object.values(Fairness)).default('none'),
    pool: () => p.manyToOne(Pool).ref(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    resume_at: p.datetime(3).nullable(),
    held_by: p.text().nullable(),
    sla_since: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [{ name: 'idx_queues_resume', expression: 'create index idx_queues_resume on queues (resume_at) where resume_at is not null' }],
  checks: [
    { name: 'queues_capacity_check', expression: 'capacity >= 0' },
    { name: 'queues_current_load_check', expression: 'current_load >= 0 and current_load <= ceiling' },
    { name: 'queues_range_check', expression: 'priority >= 0 and priority <= 100 and step_s >= 0 and max_depth >= 0' },
    { name: 'queues_reserve_check', expression: 'reserve_after_s >= 0' },
  ],
});

/**
 * A waiting line. `current_load` counts instances that hold resources and stays within `capacity` (`ceiling` = greatest(capacity, load), kept
 * by a trigger, so that a lowered capacity lets running work finish). `step_s`: seconds of waiting that weigh as much as one point of priority.
 * `max_depth` null: any number of tasks may wait. `policy`, `reserve_after_s`: what may pass a head that cannot start, see `core/admission.ts`.
 * `rate_limit`: how many of its tasks may start in some time; null: any number. `fairness`: whether its users share it, see `core/deal.ts`.
 * `strict_priority`: its tasks go before those of all queues of a lower priority in the pool, however long these have waited.
 * `resume_at`: when a hold of the engine's own (`held_by`) ends by itself. `sla_since`: since when `sla` applies.
 */
export class Queue extends QueueSchema.class {}
QueueSchema.setClass(Queue);
