import { defineEntity, p } from '@mikro-orm/core';
import { cores, times } from './columns.ts';
import { Pool } from './pool.ts';

const PoolResizeSchema = defineEntity({
  name: 'PoolResize',
  tableName: 'pool_resizes',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    pool: () => p.manyToOne(Pool).fieldName('pool').ref().deleteRule('cascade'),
    cpu: cores(),
    memory_mb: p.bigint('number'),
    until_at: p.datetime(3),
    ended_at: p.datetime(3).nullable(),
    actor: p.text(),
    reason: p.text(),
    ...times,
  },
  indexes: [
    { name: 'idx_pool_resizes_pool', properties: ['pool', 'id'] },
    { name: 'idx_pool_resizes_created', properties: ['created_at', 'id'] },
    { name: 'idx_pool_resizes_live', expression: 'create index idx_pool_resizes_live on pool_resizes (until_at) where ended_at is null' },
  ],
  checks: [{ name: 'pool_resizes_range_check', expression: 'cpu >= 0 and memory_mb >= 0' }],
});

/** Cores and MB on top of a pool's total until `until_at`; `ended_at`: when they were taken back. Who gave them, and why. */
export class PoolResize extends PoolResizeSchema.class {}
PoolResizeSchema.setClass(PoolResize);
