import { z } from 'zod';

const Status = z.enum(['requested', 'running', 'completed', 'failed']);

/**
 * One run of the retention. `removed`: rows by table so far; of a dry run, which has no id, those that a run would remove now. `as_of`: the
 * instant from which ages are counted. `scheduled_for`: null when it was asked for.
 */
export const RetentionRun = z
  .object({
    id: z.int().nullable(),
    dry_run: z.boolean(),
    trigger: z.enum(['schedule', 'request']),
    status: Status,
    scheduled_for: z.iso.datetime().nullable(),
    requested_by: z.string(),
    as_of: z.iso.datetime(),
    removed: z.record(z.string(), z.int()),
    error: z.string().nullable(),
    started_at: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'RetentionRun' });
export type RetentionRun = z.output<typeof RetentionRun>;

export const RetentionRequest = z.strictObject({
  dry_run: z.boolean().default(false).describe('true: count what would go and remove nothing'),
});
