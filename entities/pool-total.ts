import { defineEntity, p } from '@mikro-orm/core';
import { cores, times } from './columns.ts';
import { Pool } from './pool.ts';

const PoolTotalSchema = defineEntity({
  name: 'PoolTotal',
  tableName: 'pool_totals',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    pool: () => p.manyToOne(Pool).ref().deleteRule('cascade'),
    from_seq: p.bigint('number'),
    total_cpu: cores(),
    total_memory: p.bigint('number'),
    ...times,
  },
  indexes: [{ name: 'idx_pool_totals_pool', properties: ['pool', 'from_seq', 'id'] }],
});

/** What a pool's totals were from which of its sequence numbers on, written by a trigger: so that the grants can be replayed against them. */
export class PoolTotal extends PoolTotalSchema.class {}
PoolTotalSchema.setClass(PoolTotal);
