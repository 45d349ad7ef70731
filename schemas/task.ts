import { z } from 'zod';
import { PendingReason, TaskStatus } from '../core/states.ts';
import { ClockS, Instant, Name, Priority, Tags, TimeoutS, text } from './limits.ts';
import { SlaId, TaskSla } from './sla.ts';

/** Clocks beside the run time-out; what is left out comes from the template, null is no limit. */
const clocks = {
  queue_timeout_s: ClockS.nullable().optional().describe('seconds that it may stay queued; then it fails with `queue_timeout`'),
  start_timeout_s: ClockS.nullable()
    .optional()
    .describe('seconds that an instance may stay starting; then another worker is tried, three times; null: 300'),
  total_timeout_s: ClockS.nullable()
    .optional()
    .describe('seconds from when it could start first until its end, retries included; then it fails with `total_timeout`'),
};

/** What a task waits for: another task, or the item of the same batch with this `ref`. */
export const After = z
  .strictObject({
    task: z.uuid().toLowerCase().optional(),
    ref: text(100).min(1).optional(),
    condition: z.enum(['succeeded', 'done']).default('succeeded').describe('`succeeded`: it completed; `done`: it ended in any way'),
  })
  .refine((after) => (after.task === undefined) !== (after.ref === undefined), 'must have either task or ref')
  .meta({ id: 'After' });
export type After = z.output<typeof After>;

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
    deadline: Instant.nullable()
      .optional()
      .describe('by when it should have ended: moves it forward in its queue, as far as the highest priority would; null: none'),
    tags: Tags.default({}),
    ...clocks,
    ref: text(100).min(1).optional().describe('in a batch: name by which other items refer to this one in `after`'),
    after: z
      .array(After)
      .max(100)
      .optional()
      .describe('starts when all of these have ended; is cancelled when one that must succeed does not'),
    sla_id: SlaId.optional().describe('an SLA of one’s own that holds for this task alone'),
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
    deadline: z.iso.datetime().nullable().describe('by when it should have ended'),
    eligible_at: z.iso.datetime(),
    queued_at: z.iso.datetime().nullable(),
    started_at: z.iso.datetime().nullable(),
    completed_at: z.iso.datetime().nullable(),
    held_at: z.iso.datetime().nullable().describe('nothing of it starts until it is released'),
    waits_for: z.int().describe('tasks that it still waits for'),
    queue_timeout_s: z.int().nullable(),
    start_timeout_s: z.int().nullable(),
    total_timeout_s: z.int().nullable(),
    due_at: z.iso.datetime().nullable().describe('when the first of its clocks that run now is over'),
    slas: z
      .array(TaskSla)
      .optional()
      .describe('the conditions that it is under, by the clock that runs or ran last; not in the answer to a submit'),
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

/** What may be changed of a task. What is left out stays; null takes a limit or a start time away. */
export const TaskChange = z
  .strictObject({
    priority: Priority.optional(),
    queue: Name.optional().describe('moves it; keeps its place by time'),
    tags: Tags.optional().describe('replaces all of them'),
    not_before: Instant.nullable().optional(),
    deadline: Instant.nullable().optional(),
    timeout: TimeoutS.optional(),
    sla_id: SlaId.optional(),
    ...clocks,
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'TaskChange' });
export type TaskChange = z.output<typeof TaskChange>;

/** One task that another waits for, or waited for; `state`: `open`, `met`, or `broken` when it did not succeed. */
export const Dependency = z
  .object({
    task: z.uuid(),
    condition: z.enum(['succeeded', 'done']),
    state: z.enum(['open', 'met', 'broken']),
    status: z.enum(TaskStatus),
  })
  .meta({ id: 'Dependency' });
export type Dependency = z.output<typeof Dependency>;

/** How a task is to be cancelled. */
export const CancelWish = z
  .strictObject({
    reason: text(500).min(1).nullable().default(null),
    grace_s: z
      .int()
      .min(0)
      .max(60)
      .nullable()
      .default(null)
      .describe('seconds that running work gets to end by itself before it is killed; null: as its engine likes'),
  })
  .meta({ id: 'CancelWish' });
export type CancelWish = z.output<typeof CancelWish>;
