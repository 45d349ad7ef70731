import { defineEntity, p } from '@mikro-orm/core';
import { cores, times } from './columns.ts';
import { Instance } from './instance.ts';
import { Pool } from './pool.ts';
import { Queue } from './queue.ts';
import { Worker } from './worker.ts';

const GrantSchema = defineEntity({
  name: 'Grant',
  tableName: 'grants',
  properties: {
    instance: () => p.oneToOne(Instance).primary().owner().fieldName('runid').ref().deleteRule('no action').updateRule('no action'),
    queue: () => p.manyToOne(Queue).ref(),
    pool: () => p.manyToOne(Pool).ref(),
    worker: () => p.manyToOne(Worker).ref(),
    cpu: cores(),
    memory_mb: p.integer(),
    acquire_seq: p.bigint('number').nullable(),
    release_seq: p.bigint('number').nullable(),
    released_at: p.datetime(3).nullable(),
    release_reason: p.text().nullable(),
    ...times,
  },
  indexes: [{ name: 'idx_grants_held', expression: 'create index idx_grants_held on grants (pool, worker) where released_at is null' }],
});

/**
 * Which instance holds how much of which pool on which worker, and one place in which queue. Released once, by whoever makes the instance final.
 * `acquire_seq`, `release_seq`: when, as numbers of the pool's sequence, since time stamps cannot order two commits.
 */
export class Grant extends GrantSchema.class {}
GrantSchema.setClass(Grant);
