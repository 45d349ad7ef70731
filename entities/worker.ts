import { defineEntity, p } from '@mikro-orm/core';
import { cores, times } from './columns.ts';
import { Pool } from './pool.ts';

const WorkerSchema = defineEntity({
  name: 'Worker',
  tableName: 'workers',
  properties: {
    id: p.text().primary(),
    pool: () => p.manyToOne(Pool).ref(),
    hostname: p.text(),
    pid: p.integer(),
    boot_id: p.uuid(),
    version: p.text().default(''),
    total_cpu: cores(),
    total_memory: p.bigint('number'),
    used_cpu: cores().default(0),
    used_memory: p.bigint('number').default(0),
    ceiling_cpu: cores().default(0),
    ceiling_memory: p.bigint('number').default(0),
    engines: p.array<string>().default([]),
    unavailable: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    docker_id: p.text().nullable(),
    status: p
      .enum(['active', 'drain', 'offline'] as const)
      .default('active')
      .index('idx_workers_status'),
    heartbeat_at: p.datetime(3).defaultRaw('now()'),
    started_at: p.datetime(3).defaultRaw('now()'),
    ...times,
  },
  checks: [
    { name: 'workers_used_cpu_check', expression: 'used_cpu >= 0 and used_cpu <= ceiling_cpu' },
    { name: 'workers_used_memory_check', expression: 'used_memory >= 0 and used_memory <= ceiling_memory' },
  ],
});

/**
 * One worker process with a stable id, polling the Temporal task queue `worker-<id>`. `boot_id` changes at each start of the process.
 * `engines`: what it can run now; `unavailable`: the others, with the reason. `drain`: finishes what it has and is given nothing new.
 * `offline`: said goodbye, or was silent for longer than `lost_after`.
 */
export class Worker extends WorkerSchema.class {}
WorkerSchema.setClass(Worker);
