import { z } from 'zod';
import { Instant, Name, Priority, Tags, TimeoutS, text } from './limits.ts';
import { SlaId } from './sla.ts';

const DST_GAPS = ['shift', 'skip'] as const;
const DST_OVERLAPS = ['first', 'both', 'last'] as const;
const OVERLAPS = ['skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'] as const;
const CATCHUPS = ['none', 'last', 'all'] as const;
export const SCHEDULE_STATUSES = ['active', 'paused', 'ended'] as const;
export const OUTCOMES = [
  'ran',
  'queued',
  'skipped_overlap',
  'skipped_catchup',
  'skipped_calendar',
  'dst_shifted',
  'dst_deduped',
  'missed',
  'failed_submit',
] as const;

const JsonObject = z.record(z.string(), z.unknown());
const INT4 = 2_147_483_647;

const rule = {
  cron: text(200).min(1).describe('minute hour day-of-month month day-of-week; or "@daily" and its like; or "@every 15m"'),
  seconds: z.boolean().describe('the expression has 6 fields, the first is seconds'),
  timezone: text(100).min(1).describe('name of the IANA time zone database'),
  dst_gap: z.enum(DST_GAPS).describe('a time that clocks jump over: run at the first instant after, or not'),
  dst_overlap: z.enum(DST_OVERLAPS).describe('a time that comes twice: which of the two runs'),
  exclude: z
    .array(text(30).min(1))
    .max(200)
    .describe('local days that are left out: "2026-12-25", "2026-12-24/2026-12-26" (both included), "12-25" (every year)'),
};

const what = {
  template: Name,
  template_version: z.int().min(1).max(INT4).nullable().describe('null: the current one at each fire'),
  parameters: JsonObject.describe('may use {{nominal_at}}, {{nominal_local}}, {{data_start}}, {{data_end}}'),
  queue: Name.nullable(),
  priority: Priority.nullable(),
  timeout: TimeoutS.nullable(),
  tags: Tags,
};

const limits = {
  overlap: z.enum(OVERLAPS).describe('when tasks of earlier fires are not final'),
  overlap_max: z.int().min(1).max(10_000).describe('allow: tasks at once; queue_all: fires that wait'),
  catchup: z.enum(CATCHUPS).describe('fires that come more than a minute late: run none, the last, or all'),
  catchup_window_s: z.int().min(0).max(31_622_400).describe('only those of the last so many seconds'),
  catchup_max: z.int().min(0).max(1_000).describe('and at most so many'),
  jitter_s: z.int().min(0).max(86_400).describe('fire up to so many seconds later, always the same for one schedule'),
  start_at: Instant.nullable(),
  end_at: Instant.nullable(),
  max_runs: z.int().min(1).max(INT4).nullable(),
  sla_id: SlaId.describe('SLA that holds for its tasks, and for itself'),
};

const defaults = {
  seconds: rule.seconds.default(false),
  timezone: rule.timezone.default('UTC'),
  dst_gap: rule.dst_gap.default('shift'),
  dst_overlap: rule.dst_overlap.default('first'),
  exclude: rule.exclude.default([]),
};

export const RulePreview = z
  .strictObject({ cron: rule.cron, ...defaults, start_at: limits.start_at.default(null), end_at: limits.end_at.default(null) })
  .meta({ id: 'RulePreview' });

export const ScheduleCreation = z
  .strictObject({
    name: text(200).min(1),
    paused: z.boolean().default(false),
    cron: rule.cron,
    ...defaults,
    template: what.template,
    template_version: what.template_version.default(null),
    parameters: what.parameters.default({}),
    queue: what.queue.default(null),
    priority: what.priority.default(null),
    timeout: what.timeout.default(null),
    tags: what.tags.default({}),
    overlap: limits.overlap.default('skip'),
    overlap_max: limits.overlap_max.default(100),
    catchup: limits.catchup.default('last'),
    catchup_window_s: limits.catchup_window_s.default(86_400),
    catchup_max: limits.catchup_max.default(100),
    jitter_s: limits.jitter_s.default(0),
    start_at: limits.start_at.default(null),
    end_at: limits.end_at.default(null),
    max_runs: limits.max_runs.default(null),
    sla_id: limits.sla_id.default(null),
  })
  .meta({ id: 'ScheduleCreation' });
export type ScheduleCreation = z.output<typeof ScheduleCreation>;

/** What a schedule says, without its state. */
export type ScheduleText = Omit<ScheduleCreation, 'paused'>;

export const ScheduleChange = z
  .strictObject({ name: text(200).min(1), ...rule, ...what, ...limits })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'ScheduleChange' });
export type ScheduleChange = z.output<typeof ScheduleChange>;

const instant = z.iso.datetime();

/** A schedule as the API shows it. `next_at`: next nominal fire; `due_at`: when it is looked at next, jitter included. `live`: its tasks that are not final. */
export const Schedule = z
  .object({
    id: z.uuid(),
    name: z.string(),
    user: z.string(),
    status: z.enum(SCHEDULE_STATUSES),
    status_reason: z.string().nullable(),
    words: z.string(),
    ...rule,
    ...what,
    ...limits,
    start_at: instant.nullable(),
    end_at: instant.nullable(),
    resume_at: instant.nullable().describe('when a pause by an SLA ends by itself'),
    runs: z.int(),
    live: z.int(),
    cursor_at: instant,
    next_at: instant.nullable(),
    due_at: instant.nullable(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.output<typeof Schedule>;

/** Coming fires; `due_at` has the jitter. `warnings`: what daylight saving does to them. `tzdata`: version of the time zone database in use. */
export const SchedulePreview = z
  .object({
    words: z.string(),
    timezone: z.string(),
    tzdata: z.string(),
    fires: z.array(
      z.object({
        nominal_at: instant,
        nominal_local: z.string(),
        ordinal: z.int(),
        dst: z.enum(['shifted', 'skipped', 'repeated']).nullable(),
        due_at: instant,
      }),
    ),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'SchedulePreview' });
export type SchedulePreview = z.output<typeof SchedulePreview>;

/** What became of a nominal fire. `count` above 1: the row stands for so many, up to `until_at`. */
export const Occurrence = z
  .object({
    id: z.int(),
    nominal_at: instant,
    nominal_local: z.string(),
    ordinal: z.int(),
    outcome: z.enum(OUTCOMES),
    task: z.uuid().nullable(),
    backfill: z.uuid().nullable(),
    count: z.int(),
    until_at: instant.nullable(),
    note: z.string().nullable(),
    fired_at: instant,
  })
  .meta({ id: 'Occurrence' });
export type Occurrence = z.output<typeof Occurrence>;

export const BackfillCreation = z
  .strictObject({
    from: Instant.describe('first nominal instant, included'),
    until: Instant.describe('last nominal instant, included; not in the future'),
    max_active: z
      .int()
      .min(1)
      .max(1_000)
      .default(1)
      .describe('tasks at once; never more than a quarter of the queue’s capacity, at least 1'),
    dry_run: z.boolean().default(false),
  })
  .meta({ id: 'BackfillCreation' });
export type BackfillCreation = z.output<typeof BackfillCreation>;

export const Backfill = z
  .object({
    id: z.uuid(),
    schedule: z.uuid(),
    user: z.string(),
    status: z.enum(['running', 'completed', 'cancelled']),
    from: instant,
    until: instant,
    max_active: z.int(),
    total: z.int(),
    submitted: z.int(),
    failed: z.int(),
    active: z.int(),
    completed_at: instant.nullable(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Backfill' });
export type Backfill = z.output<typeof Backfill>;

/** `total`: fires of the range that have not run; `already`: those that have; `fires`: the first hundred to run. `backfill` null: a dry run. */
export const BackfillAnswer = z
  .object({
    dry_run: z.boolean(),
    total: z.int(),
    already: z.int(),
    fires: z.array(z.object({ nominal_at: instant, nominal_local: z.string(), ordinal: z.int() })),
    backfill: Backfill.nullable(),
  })
  .meta({ id: 'BackfillAnswer' });
export type BackfillAnswer = z.output<typeof BackfillAnswer>;
