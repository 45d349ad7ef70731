import { defineEntity, p } from '@mikro-orm/core';
import { cores, counterChecks, counters, times } from './columns.ts';
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
    ...counters(),
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
  checks: counterChecks('workers'),
});

/**
 * One worker process with a stable id, polling the Temporal task queue `worker-<id>`. `boot_id` changes at each start of the process.
 * `engines`: what it can run now; `unavailable`: the others, with the reason. `drain`: finishes what it has and is given nothing new.
 * `offline`: said goodbye, or was silent for longer than `lost_after`.
 */
export class Worker extends WorkerSchema.class {}
WorkerSchema.setClass(Worker);
