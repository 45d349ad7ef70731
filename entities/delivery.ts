import { defineEntity, p } from '@mikro-orm/core';
import type { DeliveryTarget, Message } from '../core/delivery.ts';
import { times } from './columns.ts';
import { User } from './user.ts';

const DeliverySchema = defineEntity({
  name: 'Delivery',
  tableName: 'deliveries',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    key: p.text().unique('deliveries_key_key'),
    channel: p.enum(['webhook', 'email'] as const),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    source_type: p.text(),
    source_id: p.text(),
    lane: p.text(),
    target: p.json<DeliveryTarget>(),
    message: p.json<Message>(),
    state: p.enum(['waiting', 'delivered', 'dead'] as const).default('waiting'),
    attempts: p.integer().default(0),
    next_at: p.datetime(3).nullable().defaultRaw('now()'),
    give_up_at: p.datetime(3),
    code: p.text().nullable(),
    detail: p.text().nullable(),
    ended_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_deliveries_user', properties: ['user', 'id'] },
    { name: 'idx_deliveries_source', properties: ['source_type', 'source_id'] },
    { name: 'idx_deliveries_created', properties: ['created_at', 'id'] },
    {
      name: 'idx_deliveries_waiting',
      expression: `create index idx_deliveries_waiting on deliveries (lane, next_at) where state = 'waiting'`,
    },
  ],
  checks: [
    {
      name: 'deliveries_end_check',
      expression: `(state = 'waiting') = (next_at is not null) and (state = 'waiting') = (ended_at is null) and attempts >= 0`,
    },
  ],
});

/**
 * One message on its way out of the product, delivered at least once, always under the same `key`. `lane`: what it shares a limit with (a host). `next_at`: when it
 * is tried next, or while an attempt is under way when that one is given up for lost. `code`, `detail`: what the last attempt met. `dead`: given up,
 * may be sent again by hand.
 */
export class Delivery extends DeliverySchema.class {}
DeliverySchema.setClass(Delivery);
