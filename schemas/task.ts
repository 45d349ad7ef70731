import { z } from 'zod';
import { PendingReason, TaskStatus } from '../core/states.ts';
import { Instant, Name, Priority, Tags, TimeoutS, text } from './limits.ts';

/** What a user sends to have a template run. What is left out comes from the template. */
export const TaskSubmission = z
  .strictObject({
    template: Name,
    template_version: z.int().min(1).max(2_147_483_647).optional().describe('default: the current one'),
    name: text(200).min(1).optional().describe('shown in lists; default: the template’s name'),
    parameters: z.record(z.string(), z.unknown()).default({}).describe('merged over the template’s defaults, key by key'),
    queue: Name.optional(),
    priority: Priority.optional().describe('0–100, higher is more urgent'),
    timeout: TimeoutS.optional().describe('seconds that an instance may run'),
    not_before: Instant.optional().describe('do not start earlier'),
    tags: Tags.default({}),
    idempotency_key: text(255).min(1).optional().describe('in a batch: as the header, for this item'),
  })
  .meta({ id: 'TaskSubmission' });
export type TaskSubmission = z.output<typeof TaskSubmission>;

/** Why something failed. */
export const OutcomeError = z
  .object({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()).optional() })
  .meta({ id: 'OutcomeError' });

/** A task as the API shows it. Times are ISO 8601 in UTC, CPU in cores, memory in MB, `timeout` in seconds. */
export const Task = z
  .object({
    uuid: z.uuid(),
    name: z.string(),
    template: z.string(),
    template_version: z.int(),
    type: z.string(),
    status: z.enum(TaskStatus),
    pending_reason: z.enum(PendingReason).nullable(),
    status_reason: z.string().nullable(),
    parameters: z.record(z.string(), z.unknown()),
    queue: z.string(),
    user: z.string(),
    priority: z.int(),
    timeout: z.int(),
    cpu: z.number(),
    memory_mb: z.int(),
    tags: z.record(z.string(), z.string()),
    attempt: z.int(),
    retries_used: z.int(),
    progress: z.int(),
    runid: z.uuid().nullable().describe('the last instance'),
    cancel_requested_at: z.iso.datetime().nullable(),
    not_before: z.iso.datetime().nullable(),
    eligible_at: z.iso.datetime(),
    queued_at: z.iso.datetime().nullable(),
    started_at: z.iso.datetime().nullable(),
    completed_at: z.iso.datetime().nullable(),
    result: z.record(z.string(), z.unknown()).nullable(),
    error: OutcomeError.nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Task' });
export type Task = z.output<typeof Task>;

/** A submitted task; `warnings`, when there are any, say why it may wait. */
export const SubmittedTask = Task.extend({ warnings: z.array(z.string()).optional() }).meta({ id: 'SubmittedTask' });

/** The answer to a batch, in the order of its items. */
export const SubmittedBatch = z.object({ items: z.array(Task), warnings: z.array(z.string()) }).meta({ id: 'SubmittedBatch' });
