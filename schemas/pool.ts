import { z } from 'zod';
import { Cores, MemoryMb, Name } from './limits.ts';
import { SlaId } from './sla.ts';

/** `hold` starts nothing; `drain` takes no new tasks and works off those that wait. */
export const DoorStatus = z.enum(['active', 'hold', 'drain']);

const total_cpu = Cores.describe('cores that instances may reserve together');
const total_memory = MemoryMb.describe('MB that instances may reserve together');

export const PoolCreation = z
  .strictObject({
    name: Name,
    total_cpu,
    total_memory,
    sla_id: SlaId.default(null).describe('SLA that holds for all tasks of its queues, and for itself'),
  })
  .meta({ id: 'PoolCreation' });
export type PoolCreation = z.output<typeof PoolCreation>;

export const PoolChange = z
  .strictObject({ total_cpu: total_cpu.optional(), total_memory: total_memory.optional(), sla_id: SlaId.optional() })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'PoolChange', minProperties: 1 });
export type PoolChange = z.output<typeof PoolChange>;

/** A pool as the API shows it. Used amounts may exceed a total that was lowered, until running work ends. */
export const Pool = z
  .object({
    name: z.string(),
    total_cpu: z.number(),
    total_memory: z.number(),
    used_cpu: z.number(),
    used_memory: z.number(),
    extra_cpu: z.number().describe('cores on top of the total, for a time'),
    extra_memory: z.number().describe('MB on top of the total, for a time'),
    sla_id: z.int().nullable(),
    status: DoorStatus,
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Pool' });
export type Pool = z.output<typeof Pool>;
