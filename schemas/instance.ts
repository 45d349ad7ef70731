import { z } from 'zod';
import { InstanceStatus } from '../core/states.ts';
import { OutcomeError } from './task.ts';

/** An instance as the API shows it: one execution of a task. `log_lines`: stored lines, `log_lines_cut`: those over the size cap. */
export const Instance = z
  .object({
    runid: z.uuid(),
    task_id: z.uuid(),
    template: z.string(),
    type: z.string(),
    queue: z.string(),
    attempt: z.int(),
    status: z.enum(InstanceStatus),
    worker: z.string(),
    workflow_id: z.string(),
    temporal_run_id: z.string().nullable(),
    start_time: z.iso.datetime().nullable(),
    end_time: z.iso.datetime().nullable(),
    heartbeat_at: z.iso.datetime().nullable(),
    cancel_requested_at: z.iso.datetime().nullable(),
    cpu: z.number(),
    memory_mb: z.int(),
    timeout: z.int(),
    progress: z.int(),
    progress_note: z.string().nullable(),
    code: z.string().nullable(),
    result: z.record(z.string(), z.unknown()).nullable(),
    error: OutcomeError.nullable(),
    tags: z.record(z.string(), z.string()),
    log_lines: z.int(),
    log_lines_cut: z.int(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Instance' });
export type Instance = z.output<typeof Instance>;

export const LogStream = z.enum(['stdout', 'stderr', 'system']);

/** One line of output; `seq` counts from 1 without gaps over all streams. */
export const LogLine = z
  .object({ seq: z.int(), stream: LogStream, line: z.string(), created_at: z.iso.datetime() })
  .meta({ id: 'LogLine' });
export type LogLine = z.output<typeof LogLine>;

/** Lines after a `seq`; `next_after` null: that was the last line stored so far. */
export const LogPage = z.object({ items: z.array(LogLine), next_after: z.int().nullable() }).meta({ id: 'LogPage' });
export type LogPage = z.output<typeof LogPage>;
