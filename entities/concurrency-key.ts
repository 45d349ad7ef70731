import { defineEntity, p } from '@mikro-orm/core';
import { OnLimit } from '../core/concurrency.ts';
import { times } from './columns.ts';

const ConcurrencyKeySchema = defineEntity({
  name: 'ConcurrencyKey',
  tableName: 'concurrency_keys',
  properties: {
    key: p.text().primary(),
    capacity: p.integer(),
    on_limit: p.enum(Object.values(OnLimit)),
    held: p.integer().default(0),
    dirty: p.boolean().default(true),
    ...times,
  },
  indexes: [
    { name: 'idx_concurrency_keys_dirty', expression: 'create index idx_concurrency_keys_dirty on concurrency_keys (key) where dirty' },
  ],
  checks: [{ name: 'concurrency_keys_held_check', expression: 'held >= 0 and capacity >= 1' }],
});

/**
 * A concurrency key in use. `held`: tasks that hold one of its `capacity` places: those that run and those that wait for nothing but room; kept by a
 * trigger, whoever changes a task. All others of the key are parked. `dirty`: a place became free or a task came, and nobody has looked since.
 */
export class ConcurrencyKey extends ConcurrencyKeySchema.class {}
ConcurrencyKeySchema.setClass(ConcurrencyKey);
