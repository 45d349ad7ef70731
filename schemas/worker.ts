import { z } from 'zod';

/** A worker as the API shows it. `alive`: its heartbeat is younger than the time after which it counts as lost. */
export const Worker = z
  .object({
    id: z.string(),
    pool: z.string(),
    hostname: z.string(),
    pid: z.int(),
    version: z.string(),
    total_cpu: z.number(),
    total_memory: z.number(),
    used_cpu: z.number(),
    used_memory: z.number(),
    engines: z.array(z.string()),
    unavailable: z.record(z.string(), z.string()),
    status: z.enum(['active', 'drain', 'offline']),
    alive: z.boolean(),
    heartbeat_at: z.iso.datetime(),
    started_at: z.iso.datetime(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Worker' });
export type Worker = z.output<typeof Worker>;
