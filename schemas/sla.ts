import { z } from 'zod';
import { Name, Priority, text } from './limits.ts';
import { SlaAction } from './sla-action.ts';
import { SlaCondition } from './sla-condition.ts';
import { checkContent, nameOf, stagesOf } from './sla-content.ts';

const MOST_CONDITIONS = 20;
const MOST_ACTIONS = 100;

const content = {
  description: text(2_000).default(''),
  conditions: z.array(SlaCondition).min(1).max(MOST_CONDITIONS),
  actions: z.array(SlaAction).max(MOST_ACTIONS).default([]),
  priority: Priority.default(50).describe('of two SLAs that would end a task, the higher one acts'),
  cooldown_s: z
    .int()
    .min(0)
    .max(31_622_400)
    .default(0)
    .describe('after a breach of a condition within one pool, queue, template or schedule, others there tell nobody for so long'),
};

export const SlaCreation = z
  .strictObject({ name: Name, enabled: z.boolean().default(true), ...content })
  .superRefine((creation, issues) => checkContent(creation, { issues }))
  .meta({ id: 'SlaCreation' });
export type SlaCreation = z.output<typeof SlaCreation>;

/** What is left out stays. Conditions and actions are replaced as a whole. */
export const SlaChange = z
  .strictObject({
    name: Name.optional(),
    enabled: z.boolean().optional(),
    description: text(2_000).optional(),
    conditions: z.array(SlaCondition).min(1).max(MOST_CONDITIONS).optional(),
    actions: z.array(SlaAction).max(MOST_ACTIONS).optional(),
    priority: Priority.optional(),
    cooldown_s: z.int().min(0).max(31_622_400).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'SlaChange', minProperties: 1 });
export type SlaChange = z.output<typeof SlaChange>;

/** The rules that hold for conditions and actions together, for a change that was merged over what is there. */
export const SlaContent = z
  .object({ conditions: content.conditions, actions: content.actions })
  .superRefine((merged, issues) => checkContent(merged, { issues }));

/** Conditions as they are stored: names and stages filled in. */
export const normalised = (conditions: readonly SlaCondition[]): SlaCondition[] =>
  conditions.map((condition) => ({
    ...condition,
    name: nameOf(condition),
    ...('limit_s' in condition || 'limit' in condition || condition.kind === 'deadline' ? { stages: stagesOf(condition) } : {}),
  }));

const JsonList = z.array(z.record(z.string(), z.unknown()));
const instant = z.iso.datetime();

export const SlaVersion = z
  .object({ version: z.int(), conditions: JsonList, actions: JsonList, priority: z.int(), cooldown_s: z.int(), created_at: instant })
  .meta({ id: 'SlaVersion' });
export type SlaVersion = z.output<typeof SlaVersion>;

/** An SLA as the API shows it. `user`: with whose rights it acts. `bound_to`: what it is attached to, such as `queue:batch`. */
export const Sla = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    user: z.string().nullable(),
    enabled: z.boolean(),
    current_version: z.int(),
    conditions: JsonList,
    actions: JsonList,
    priority: z.int(),
    cooldown_s: z.int(),
    bound_to: z.array(z.string()),
    open_clocks: z.int(),
    open_breaches: z.int(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Sla' });
export type Sla = z.output<typeof Sla>;

/** `moved`: tasks that were pinned to an older version; `added`: pinned now for the first time; `released`: no longer in scope. */
export const SlaRebound = z.object({ version: z.int(), moved: z.int(), added: z.int(), released: z.int() }).meta({ id: 'SlaRebound' });
export type SlaRebound = z.output<typeof SlaRebound>;

/** An id of an SLA where one is attached; null takes it away. */
export const SlaId = z.int().min(1).max(2_147_483_647).nullable();

/** One condition of an SLA on a task. `due_at` null: an event, or not known yet. */
export const TaskSla = z
  .object({
    sla_id: z.int(),
    name: z.string(),
    version: z.int(),
    condition: z.string(),
    kind: z.string(),
    due_at: instant.nullable(),
    state: z.enum(['running', 'paused', 'inactive', 'met', 'broken', 'void']),
  })
  .meta({ id: 'TaskSla' });
export type TaskSla = z.output<typeof TaskSla>;
