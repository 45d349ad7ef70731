import { z } from 'zod';
import { GateName } from '../core/admission-state.ts';
import { PendingReason, TaskStatus } from '../core/states.ts';

/** One closed gate: what stands between a waiting task and its start, with what there is (`have`) and what it takes (`need`). */
export const Gate = z
  .object({
    gate: z.enum(GateName),
    subject: z.string(),
    have: z.union([z.number(), z.string()]),
    need: z.union([z.number(), z.string()]),
    detail: z.string(),
  })
  .meta({ id: 'Gate' });

/** A closed gate with what keeps it closed. */
const ExplainedGate = Gate.extend({
  holders: z.array(z.object({ runid: z.uuid(), task_id: z.uuid() })).describe('instances that hold what is missing, at most 20'),
  other_holders: z.int().describe('how many more: those of other users are counted, never named'),
  clears_at: z.iso
    .datetime()
    .nullable()
    .describe('when it is expected to open if nothing else starts; null: neither an end of running work nor a token opens it'),
}).meta({ id: 'ExplainedGate' });

const outlook = {
  position: z
    .int()
    .nullable()
    .describe('place among the waiting tasks of its queue, from 1; in a queue that is shared between users, among those of its user'),
  gates: z.array(ExplainedGate),
  estimated_start: z.iso.datetime().nullable().describe('by past run times and time-outs; null: unknown'),
  estimated_finish: z.iso.datetime().nullable(),
  overtaken_until: z.iso.datetime().nullable().describe('tasks that become eligible later cannot precede it; null: no such time'),
  latest_start: z.iso.datetime().nullable().describe('room is kept for it: it starts by then unless a more urgent task comes'),
  fair_share: z
    .object({
      usage_s: z.number().describe('what its user has used of the pool of late: seconds of all of it, halved each hour'),
      users_before: z.int().describe('waiting users who have used less'),
      users_waiting: z.int(),
    })
    .nullable()
    .describe('of a queue that is shared between users; null: of others'),
};

/** Why a task is not running. `position` is null, and no gate closed, when it does not wait in its queue. */
export const Explanation = z
  .object({
    uuid: z.uuid(),
    status: z.enum(TaskStatus),
    pending_reason: z.enum(PendingReason).nullable(),
    ...outlook,
    decision: z
      .object({ gates: z.array(Gate), decided_at: z.iso.datetime() })
      .nullable()
      .describe('what the last admission that looked at it found'),
  })
  .meta({ id: 'Explanation' });

/** What would become of a submission that is not made; each item is taken alone. */
export const DryRun = z
  .object({
    dry_run: z.literal(true),
    items: z.array(
      z.object({
        template: z.string(),
        queue: z.string(),
        parameters: z.record(z.string(), z.unknown()),
        starts_now: z.boolean(),
        warnings: z.array(z.string()),
        ...outlook,
      }),
    ),
  })
  .meta({ id: 'DryRun' });

/** One promise of the engine and up to 20 offenders; none while it holds. */
export const Invariants = z
  .object({
    ok: z.boolean(),
    checked_at: z.iso.datetime(),
    invariants: z.array(z.object({ name: z.string(), promise: z.string(), violations: z.array(z.record(z.string(), z.unknown())) })),
  })
  .meta({ id: 'Invariants' });
