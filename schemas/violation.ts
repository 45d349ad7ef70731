import { z } from 'zod';
import { SessionName, Severity, Word } from './detection.ts';
import { Instant, Name, text } from './limits.ts';

export const VIOLATION_STATUSES = ['pending', 'confirmed', 'false_positive', 'resolved'] as const;
export const ViolationStatus = z.enum(VIOLATION_STATUSES);

/** What people make of a violation. Back to `pending` takes the judgement back. */
export const ViolationChange = z
  .strictObject({ status: ViolationStatus.optional(), notes: text(2_000).nullable().optional() })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'ViolationChange', minProperties: 1 });
export type ViolationChange = z.output<typeof ViolationChange>;

/** Filters of violations; what is absent does not filter. */
export const violationFilters = {
  camera_id: Name.optional(),
  session_id: SessionName.optional(),
  violation_type: Word.optional(),
  track_id: text(100).min(1).optional(),
  from: Instant.optional().describe('first seen at or after'),
  until: Instant.optional().describe('first seen before'),
};

export const ViolationFilter = z
  .strictObject({
    ...violationFilters,
    status: z.array(ViolationStatus).max(4).optional(),
    severity: z.array(Severity).max(4).optional(),
    min_confidence: z.number().min(0).max(1).optional(),
    open: z.boolean().optional().describe('true: those that go on'),
  })
  .meta({ id: 'ViolationFilter' });
export type ViolationFilter = z.output<typeof ViolationFilter>;

/** One judgement on many violations: those listed, or those that a filter finds now. */
export const ViolationBulkChange = z
  .strictObject({
    ids: z.array(z.uuid().toLowerCase()).min(1).max(1_000).optional(),
    filter: ViolationFilter.optional(),
    status: ViolationStatus,
    notes: text(2_000).nullable().optional().describe('left out: notes stay as they are'),
    dry_run: z.boolean().default(false).describe('true: count them and change nothing'),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), { message: 'must have either ids or filter', path: ['ids'] })
  .meta({ id: 'ViolationBulkChange' });
export type ViolationBulkChange = z.output<typeof ViolationBulkChange>;

/** `missing`: listed ids that are not there, or another user's. */
export const ViolationBulkResult = z
  .object({ dry_run: z.boolean(), matched: z.int(), changed: z.int(), missing: z.array(z.uuid()) })
  .meta({ id: 'ViolationBulkResult' });
export type ViolationBulkResult = z.output<typeof ViolationBulkResult>;

const time = z.iso.datetime();

/** A violation as the API shows it. `timestamp`: first seen; `ended_at` null: it goes on; `box`: where it was seen last. */
export const Violation = z
  .object({
    id: z.uuid(),
    camera_id: z.string(),
    session_id: z.string(),
    track_id: z.string(),
    violation_type: z.string(),
    segment_no: z.int(),
    timestamp: time,
    last_seen: time,
    ended_at: time.nullable(),
    duration_s: z.number(),
    opened_frame: z.int(),
    frames: z.int(),
    confidence: z.number(),
    severity: Severity,
    zones: z.array(z.string()),
    box: z.array(z.number()).nullable(),
    has_snapshot: z.boolean(),
    status: ViolationStatus,
    handled_by: z.string().nullable(),
    handled_at: time.nullable(),
    notes: z.string().nullable(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Violation' });
export type Violation = z.output<typeof Violation>;
