import { z } from 'zod';
import { text } from './limits.ts';

export const BREACH_STATES = ['open', 'acknowledged', 'snoozed', 'resolved'] as const;
export const SUBJECT_TYPES = ['task', 'pool', 'queue', 'template', 'schedule'] as const;

const instant = z.iso.datetime();
const JsonObject = z.record(z.string(), z.unknown());

/**
 * What was done about a breach. `skipped`: there was nothing to act upon; `suppressed`: another action came first, or a cool-down; `code` says which. `latency_ms`: from the breach
 * to the end of the action. `delivery`: of webhooks and mails, which go on from there by themselves.
 */
export const BreachAction = z
  .object({
    no: z.int(),
    do: z.string(),
    args: JsonObject,
    state: z.enum(['waiting', 'done', 'skipped', 'suppressed', 'failed']),
    code: z.string().nullable(),
    detail: z.string().nullable(),
    result: JsonObject.nullable(),
    tries: z.int(),
    latency_ms: z.number().nullable(),
    delivery: z.object({ id: z.uuid(), state: z.string(), attempts: z.int(), code: z.string().nullable() }).nullable(),
    ended_at: instant.nullable(),
  })
  .meta({ id: 'BreachAction' });

/** One condition broken once by one subject, at one stage. `due_at`: the instant that was missed; `fired_at`: when it was noticed. `cooled`: it came in the cool-down of another. */
export const Breach = z
  .object({
    id: z.uuid(),
    sla_id: z.int(),
    sla: z.string(),
    version: z.int(),
    condition: z.string(),
    kind: z.string(),
    stage: z.int(),
    epoch: z.int(),
    subject_type: z.enum(SUBJECT_TYPES),
    subject_id: z.string(),
    scope: z.string().describe('through what the SLA applies, such as queue:batch'),
    task: z.uuid().nullable(),
    due_at: instant,
    fired_at: instant,
    detail: JsonObject,
    state: z.enum(BREACH_STATES),
    acknowledged_at: instant.nullable(),
    acknowledged_by: z.string().nullable(),
    snoozed_until: instant.nullable(),
    resolved_at: instant.nullable(),
    resolved_by: z.string().nullable(),
    note: z.string().nullable(),
    cooled: z.boolean().nullable(),
    seq: z.int().nullable(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Breach' });
export type Breach = z.output<typeof Breach>;

export const BreachDetail = Breach.extend({ workflow_id: z.string(), actions: z.array(BreachAction) }).meta({ id: 'BreachDetail' });
export type BreachDetail = z.output<typeof BreachDetail>;

const note = text(1_000).min(1).nullable().default(null);
export const BreachNote = z.strictObject({ note }).meta({ id: 'BreachNote' });
