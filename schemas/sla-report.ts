import { z } from 'zod';
import { Instant, Name, text } from './limits.ts';
import { SlaCondition } from './sla-condition.ts';
import { checkContent } from './sla-content.ts';

const instant = z.iso.datetime();

/** A task, or what happened in a time range. `conditions`: tried instead of those that are saved. */
export const SlaTest = z
  .strictObject({
    task: z.uuid().toLowerCase().optional().describe('this task alone'),
    from: Instant.optional().describe('tasks that became eligible from then on; default: a day ago'),
    until: Instant.optional().describe('and before; default: now; at most 92 days'),
    scope: text(200)
      .regex(/^(pool|queue|template|schedule):[A-Za-z0-9._-]{1,100}$/, 'must be pool:, queue:, template: or schedule: and a name or id')
      .optional()
      .describe('queue:batch; default: everything that the SLA is attached to'),
    conditions: z.array(SlaCondition).min(1).max(20).optional(),
  })
  .superRefine(({ conditions = [] }, issues) => checkContent({ conditions, actions: [] }, { issues }))
  .meta({ id: 'SlaTest' });
export type SlaTest = z.output<typeof SlaTest>;

/** Where it would have told of a breach. */
export const SlaTestFire = z.object({
  condition: z.string(),
  stage: z.int(),
  at: instant,
  subject_type: z.string(),
  subject_id: z.string(),
  reason: z.string(),
});
export type SlaTestFire = z.output<typeof SlaTestFire>;

/**
 * `fires`: the first hundred, oldest first; `by_condition`: how often each would have fired. `truncated`: there were more tasks than one request looks at. `untested`: conditions
 * that history does not tell about.
 */
export const SlaTestResult = z
  .object({
    total: z.int(),
    by_condition: z.record(z.string(), z.int()),
    fires: z.array(SlaTestFire),
    tasks: z.int(),
    truncated: z.boolean(),
    untested: z.array(Name),
  })
  .meta({ id: 'SlaTestResult' });
export type SlaTestResult = z.output<typeof SlaTestResult>;

const share = z.number().nullable();

/**
 * How one condition was kept. Tasks: `total` clocks that began in the period; `decided` = met + breached. Groups: `breached` counts breaches, `broken_s` for how long, and shares are of time.
 * `percentiles_s`: of what was measured. `budget`: what the objective allows to be broken, and how much of that is left (negative: overspent); clocks, or seconds for groups.
 */
const ConditionReport = z.object({
  condition: z.string(),
  kind: z.string(),
  subject: z.enum(['task', 'group']),
  total: z.int(),
  met: z.int(),
  breached: z.int(),
  at_risk: z.int(),
  void: z.int(),
  open: z.int(),
  broken_s: z.number().nullable(),
  met_share: share,
  percentiles_s: z.object({ p50: z.number(), p90: z.number(), p95: z.number(), p99: z.number(), max: z.number() }).nullable(),
  budget: z.object({ allowed: z.number(), spent: z.number(), left: z.number() }),
});

export const Compliance = z
  .object({
    sla_id: z.int(),
    name: z.string(),
    from: instant,
    until: instant,
    objective: z.number(),
    conditions: z.array(ConditionReport),
  })
  .meta({ id: 'SlaCompliance' });
export type Compliance = z.output<typeof Compliance>;
