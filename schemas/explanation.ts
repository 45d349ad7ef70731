import { z } from 'zod';
import { PendingReason, TaskStatus } from '../core/states.ts';

/** One closed gate: what stands between a waiting task and its start, with what there is (`have`) and what it takes (`need`). */
export const Gate = z
  .object({
    gate: z.enum(['queue_status', 'queue_capacity', 'pool_status', 'pool_cpu', 'pool_memory', 'no_worker', 'worker_room']),
    subject: z.string(),
    have: z.union([z.number(), z.string()]),
    need: z.union([z.number(), z.string()]),
    detail: z.string(),
  })
  .meta({ id: 'Gate' });

/** Why a task is not running. `position`: its place among the waiting tasks of its queue, from 1; null when it does not wait there. */
export const Explanation = z
  .object({
    uuid: z.uuid(),
    status: z.enum(TaskStatus),
    pending_reason: z.enum(PendingReason).nullable(),
    position: z.int().nullable(),
    gates: z.array(Gate),
  })
  .meta({ id: 'Explanation' });

/** One promise of the engine and up to 20 offenders; none while it holds. */
export const Invariants = z
  .object({
    ok: z.boolean(),
    checked_at: z.iso.datetime(),
    invariants: z.array(z.object({ name: z.string(), promise: z.string(), violations: z.array(z.record(z.string(), z.unknown())) })),
  })
  .meta({ id: 'Invariants' });
