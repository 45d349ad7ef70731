import { z } from 'zod';
import { OnLimit } from '../core/concurrency.ts';
import { ClockS, Cores, MemoryMb, Name, Priority, TimeoutS, text } from './limits.ts';
import { TemplateRate, templateRateInput } from './rate-limit.ts';
import { SlaId } from './sla.ts';

/** When a failed instance is followed by another; what is left out: one attempt, or sensible delays. Delays in seconds. */
export const RetryPolicyInput = z
  .strictObject({
    max_attempts: z.int().min(1).max(100).optional().describe('instances in all, the first one included'),
    initial_s: z.number().min(0).max(86_400).optional(),
    factor: z.number().min(1).max(100).optional(),
    max_s: z.number().min(0).max(86_400).optional(),
    jitter: z.number().min(0).max(1).optional().describe('share by which a delay is spread downwards'),
    codes: z.array(text(100).min(1)).max(50).nullable().optional().describe('only these error codes are retried; null: all that may mend'),
    max_losses: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('after so many workers in a row that were lost while they ran it, a task fails; 3 unless said'),
  })
  .meta({ id: 'RetryPolicyInput' });

export const RetryPolicy = z
  .object({
    max_attempts: z.int(),
    initial_s: z.number(),
    factor: z.number(),
    max_s: z.number(),
    jitter: z.number(),
    codes: z.array(z.string()).nullable(),
    max_losses: z.int().optional(),
  })
  .meta({ id: 'RetryPolicy' });

const parameterPath = z
  .string()
  .max(200)
  .regex(/^[^.\s]+(\.[^.\s]+)*$/, 'must be names of parameters joined by dots')
  .describe('where the value stands in the parameters: names joined by dots');

/** At most `limit` tasks with an equal value of a parameter run at once. */
export const Concurrency = z
  .strictObject({ key: parameterPath, limit: z.int().min(1).max(1_000_000), on_limit: z.enum(OnLimit).default('queue') })
  .meta({ id: 'Concurrency' });

const JsonObject = z.record(z.string(), z.unknown());

const definition = {
  description: text(2_000).optional(),
  schema: JsonObject.optional().describe('JSON Schema 2020-12 of the parameters; default: that of the engine'),
  parameters: JsonObject.optional().describe('defaults under what a task sends'),
  queue: Name.optional().describe('where its tasks wait unless they say otherwise'),
  priority: Priority.optional(),
  timeout: TimeoutS.optional().describe('seconds that an instance may run'),
  cpu: Cores.optional().describe('cores that each instance reserves; default: the engine’s'),
  memory_mb: MemoryMb.max(2_147_483_647).optional().describe('MB that each instance reserves; default: the engine’s'),
  retry_policy: RetryPolicyInput.optional(),
  at_most_once: z.boolean().optional().describe('an instance whose worker vanished is not run again'),
  quota_cost: z.int().min(0).max(1_000_000).optional().describe('what a task takes of its user’s quota'),
  concurrency: Concurrency.nullable().optional().describe('how many tasks with an equal parameter run at once; null: any number'),
  rate_limit: templateRateInput(parameterPath).nullable().optional().describe('how many tasks may start in some time; null: any number'),
  queue_timeout_s: ClockS.nullable().optional().describe('seconds that a task may stay queued; null: no limit'),
  start_timeout_s: ClockS.nullable().optional().describe('seconds that an instance may stay starting; null: 300'),
  total_timeout_s: ClockS.nullable().optional().describe('seconds that a task may take in all, retries included; null: no limit'),
  batchable: z
    .boolean()
    .nullable()
    .optional()
    .describe('whether short tasks that start together may share a workflow; null: as the engine says'),
};

const sla_id = SlaId.describe('SLA that holds for all its tasks, and for itself');

export const TemplateCreation = z
  .strictObject({ name: Name, engine: Name, ...definition, sla_id: sla_id.optional() })
  .meta({ id: 'TemplateCreation' });
export type TemplateCreation = z.output<typeof TemplateCreation>;

/** What is left out stays as in the current version. */
export const TemplateVersionCreation = z
  .strictObject(definition)
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'TemplateVersionCreation', minProperties: 1 });
export type TemplateVersionCreation = z.output<typeof TemplateVersionCreation>;

/** What is not part of a version. */
export const TemplateChange = z.strictObject({ sla_id }).meta({ id: 'TemplateChange' });
export type TemplateChange = z.output<typeof TemplateChange>;

/** What a template says at one version; versions never change. */
export const TemplateVersion = z
  .object({
    version: z.int(),
    schema: JsonObject,
    parameters: JsonObject,
    queue: z.string(),
    priority: z.int(),
    timeout: z.int(),
    cpu: z.number(),
    memory_mb: z.int(),
    retry_policy: RetryPolicy,
    at_most_once: z.boolean(),
    quota_cost: z.int(),
    concurrency: Concurrency.nullable(),
    rate_limit: TemplateRate.nullable(),
    queue_timeout_s: z.int().nullable(),
    start_timeout_s: z.int().nullable(),
    total_timeout_s: z.int().nullable(),
    batchable: z.boolean().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'TemplateVersion' });
export type TemplateVersion = z.output<typeof TemplateVersion>;

const head = { name: z.string(), engine: z.string(), description: z.string(), current_version: z.int(), sla_id: z.int().nullable() };
const times = { created_at: z.iso.datetime(), updated_at: z.iso.datetime() };

/** A template in lists: its head and what the current version says. */
export const Template = TemplateVersion.omit({ version: true, created_at: true })
  .extend({ ...head, ...times })
  .meta({ id: 'Template' });
export type Template = z.output<typeof Template>;

/** A template with all its versions, newest first. */
export const TemplateDetail = Template.extend({ versions: z.array(TemplateVersion) }).meta({ id: 'TemplateDetail' });
export type TemplateDetail = z.output<typeof TemplateDetail>;
