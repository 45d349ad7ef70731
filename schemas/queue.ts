import { z } from 'zod';
import { QueuePolicy } from '../core/admission-state.ts';
import { Fairness } from '../core/fair-share.ts';
import { Name, Priority } from './limits.ts';
import { DoorStatus } from './pool.ts';
import { QueueRate, QueueRateInput } from './rate-limit.ts';
import { SlaId } from './sla.ts';

const capacity = z.int().min(0).max(1_000_000).describe('instances that may hold resources at once');
const priority = Priority.describe('0–100, higher is served first');
const step_s = z.int().min(0).max(86_400).describe('seconds of waiting that weigh as much as one point of priority');
const max_depth = z.int().min(0).max(100_000_000).nullable().describe('most waiting tasks; null: any number');

const policy = z.enum(QueuePolicy).describe('what may pass a task that cannot start: what does not delay it, nothing, or all');
const reserve_after_s = z.int().min(0).max(31_536_000).describe('seconds of waiting after which room is kept for a task that cannot start');
const strict_priority = z.boolean().describe('its tasks go before those of all queues of a lower priority in its pool');
const rate_limit = QueueRateInput.nullable().describe('how many of its tasks may start in some time; null: any number');
const fairness = z
  .enum(Fairness)
  .describe('`user`: whoever has used least of the pool of late goes first; `none`: the order of priority and waiting alone');

export const QueueCreation = z
  .strictObject({
    name: Name,
    capacity,
    pool: Name.default('default'),
    priority: priority.default(50),
    step_s: step_s.default(60),
    max_depth: max_depth.default(null),
    policy: policy.default('backfill'),
    reserve_after_s: reserve_after_s.default(120),
    strict_priority: strict_priority.default(false),
    rate_limit: rate_limit.default(null),
    fairness: fairness.default('none'),
    sla_id: SlaId.default(null).describe('SLA that holds for all its tasks, and for itself'),
  })
  .meta({ id: 'QueueCreation' });
export type QueueCreation = z.output<typeof QueueCreation>;

export const QueueChange = z
  .strictObject({
    capacity: capacity.optional(),
    priority: priority.optional(),
    step_s: step_s.optional(),
    max_depth: max_depth.optional(),
    policy: policy.optional(),
    reserve_after_s: reserve_after_s.optional(),
    strict_priority: strict_priority.optional(),
    rate_limit: rate_limit.optional(),
    fairness: fairness.optional(),
    sla_id: SlaId.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'QueueChange', minProperties: 1 });
export type QueueChange = z.output<typeof QueueChange>;

/** A queue as the API shows it. `current_load`: instances that hold resources; `depth`: tasks that wait. */
export const Queue = z
  .object({
    name: z.string(),
    pool: z.string(),
    capacity: z.int(),
    current_load: z.int(),
    depth: z.int(),
    status: DoorStatus,
    priority: z.int(),
    step_s: z.int(),
    max_depth: z.int().nullable(),
    policy: z.enum(QueuePolicy),
    reserve_after_s: z.int(),
    strict_priority: z.boolean(),
    rate_limit: QueueRate.nullable(),
    fairness: z.enum(Fairness),
    sla_id: z.int().nullable(),
    resume_at: z.iso.datetime().nullable().describe('when a hold by an SLA ends by itself'),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Queue' });
export type Queue = z.output<typeof Queue>;
