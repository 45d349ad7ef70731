import { z } from 'zod';
import { SEGMENT_TYPES, SEVERITIES } from '../core/logs/levels.ts';
import { DETECT_SOURCES } from '../core/logs/parse-line.ts';
import { TRANSPORTS } from '../core/logs/transport.ts';
import { Instant, text } from './limits.ts';
import { PageQuery, words } from './page.ts';

/** A container's id or name, as Docker allows them. */
export const ContainerId = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"');
/** With the most lines that a segment may have behind it, it still is an integer that every reader takes as it is, of 15 digits. */
const LineNumber = z
  .int()
  .min(1)
  .max(1e15 - 1e6);
const IdText = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/**
 * One entry of a log. `segment_type` is the coarse kind, `severity_level` the finer word, `severity_number` that of OpenTelemetry. `timestamp` null: the entry names no
 * time; `logged_at` is then when it was read. `detect_source`: by what the severity was found. `line_number` counts from 1 in its source.
 */
export const LogSegment = z
  .object({
    id: z.int(),
    source_id: z.int(),
    container_id: z.string(),
    container_name: z.string(),
    segment_type: z.enum(SEGMENT_TYPES),
    severity_level: z.enum(SEVERITIES),
    severity_number: z.int(),
    content: z.string(),
    component: z.string().nullable(),
    timestamp: z.iso.datetime().nullable(),
    logged_at: z.iso.datetime(),
    line_number: z.int(),
    line_count: z.int(),
    stream: z.enum(['stdout', 'stderr']).nullable(),
    format: z.string(),
    detect_source: z.enum(DETECT_SOURCES),
    template_id: z.int().nullable(),
    attributes: z.record(z.string(), z.unknown()),
    runid: z.uuid().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'LogSegment' });
export type LogSegment = z.output<typeof LogSegment>;

export const SEGMENT_SORTS = ['-logged_at', 'logged_at', 'line_number'] as const;

/** What segments can be chosen by. */
export const SegmentFilter = {
  container_id: ContainerId.optional(),
  container_name: ContainerId.optional(),
  type: words(SEGMENT_TYPES).optional().describe('comma-separated'),
  severity: z.enum(SEVERITIES).optional().describe('this severe or more'),
  component: text(200).min(1).optional(),
  q: text(200).min(3).optional().describe('part of the content, in any case; at least three characters'),
  from: Instant.optional().describe('logged at or after'),
  to: Instant.optional().describe('logged before'),
  runid: z.uuid().toLowerCase().optional(),
  source_id: IdText.optional(),
  template_id: IdText.optional(),
  detect_source: words(DETECT_SOURCES).optional().describe('comma-separated'),
};

export const SegmentQuery = { ...PageQuery, ...SegmentFilter, sort: z.enum(SEGMENT_SORTS).default('-logged_at') };

/** Analysed elsewhere, to be kept here; what is left out is found by reading `content`. */
export const SegmentBatch = z
  .strictObject({
    segments: z
      .array(
        z.strictObject({
          container_id: ContainerId,
          container_name: ContainerId.optional(),
          content: text(262_144).min(1),
          line_number: LineNumber.describe(
            'place in its log; a container’s line that was stored in the same month already is left as it is',
          ),
          line_count: z.int().min(1).max(1_000_000).optional(),
          segment_type: z.enum(SEGMENT_TYPES).optional(),
          severity_level: z.enum(SEVERITIES).optional(),
          component: text(200).min(1).nullable().optional(),
          timestamp: Instant.nullable().optional(),
          stream: z.enum(['stdout', 'stderr']).optional(),
        }),
      )
      .min(1)
      .max(1_000),
  })
  .meta({ id: 'LogSegmentBatch' });
export type SegmentBatch = z.output<typeof SegmentBatch>;

export const SegmentsStored = z
  .object({ received: z.int(), stored: z.int().describe('new ones; the others were there already') })
  .meta({ id: 'LogSegmentsStored' });

/** What is to be read into segments: a text, the log of a container that an Engine has, or the output of an instance. */
export const Analysis = z
  .strictObject({
    text: z.string().max(8_000_000).optional().describe('the body as a whole may have 8 MB; larger logs are uploaded as files'),
    container_id: ContainerId.optional().describe('alone: read its log from the Engine; with `text`: whose it is'),
    container_name: ContainerId.optional(),
    runid: z.uuid().toLowerCase().optional().describe('read the output of this instance'),
    transport: z.enum(TRANSPORTS).default('auto').describe('what carried the text: `auto` recognises json-file, CRI and compose prefixes'),
  })
  .refine((a) => a.text !== undefined || a.container_id !== undefined || a.runid !== undefined, 'must have text, container_id or runid')
  .refine((a) => a.runid === undefined || a.text === undefined, 'must not have both text and runid')
  .meta({ id: 'LogAnalysis' });
export type Analysis = z.output<typeof Analysis>;

/** One output that is or was read. `lines`: read so far; `segments`: stored from it. */
export const LogSource = z
  .object({
    id: z.int(),
    container_id: z.string(),
    container_name: z.string(),
    docker_id: z.string().nullable(),
    kind: z.enum(['container', 'instance', 'text', 'batch']),
    runid: z.uuid().nullable(),
    status: z.enum(['reading', 'ended', 'failed']),
    error: z.string().nullable(),
    requested_by: z.string(),
    lines: z.int(),
    segments: z.int(),
    ended_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'LogSource' });
export type LogSource = z.output<typeof LogSource>;

/** `types`: segments of the source by type. */
export const AnalysisResult = z
  .object({ source: LogSource, stored: z.int().describe('new segments'), types: z.record(z.enum(SEGMENT_TYPES), z.int()) })
  .meta({ id: 'LogAnalysisResult' });
export type AnalysisResult = z.output<typeof AnalysisResult>;

export const STATS_BY = ['type', 'severity', 'container', 'component', 'hour'] as const;
const age = { as_of: z.iso.datetime().describe('when it was counted'), age_s: z.number().describe('how long ago that was') };
const max_age_s = z.coerce.number().min(0).max(300).optional().describe('how old figures may be; default: LOG_STATS_MAX_AGE_S');
const Scope = {
  container_id: ContainerId.optional(),
  type: words(SEGMENT_TYPES).optional().describe('comma-separated'),
  from: Instant.optional().describe('from this hour on'),
  to: Instant.optional().describe('before this hour'),
};

export const StatsQuery = z.strictObject({
  ...Scope,
  by: z.enum(STATS_BY).default('type'),
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
  max_age_s,
});
export const LogStats = z
  .object({
    by: z.enum(STATS_BY),
    total: z.int(),
    items: z.array(
      z.object({ key: z.string(), name: z.string().nullable(), count: z.int(), types: z.record(z.enum(SEGMENT_TYPES), z.int()) }),
    ),
    ...age,
  })
  .meta({ id: 'LogStats' });
export type LogStats = z.output<typeof LogStats>;

export const INTERVALS = ['1h', '3h', '6h', '12h', '1d', '7d', '30d'] as const;
export const TrendQuery = z.strictObject({
  ...Scope,
  interval: z.enum(INTERVALS).optional().describe('default: the shortest that gives at most 500 points'),
  max_age_s,
});
/**
 * Points without gaps: hours without segments are there with zeros. Without `from` and `to`: from the first to the last segment, as far as the interval that was
 * asked for reaches back, and at most a day ahead of now: clocks gone wrong do not stretch it.
 */
export const LogTrend = z
  .object({
    interval: z.enum(INTERVALS),
    from: z.iso.datetime().nullable(),
    to: z.iso.datetime().nullable(),
    total: z.int(),
    points: z.array(z.object({ at: z.iso.datetime(), error: z.int(), warning: z.int(), info: z.int(), debug: z.int(), total: z.int() })),
    ...age,
  })
  .meta({ id: 'LogTrend' });
export type LogTrend = z.output<typeof LogTrend>;

/** A shape that messages of one source have in common; `<*>` stands for what varies. */
export const LogTemplate = z
  .object({
    id: z.int(),
    source_id: z.int(),
    container_id: z.string(),
    template: z.string(),
    count: z.int(),
    first_seen: z.iso.datetime(),
    last_seen: z.iso.datetime(),
  })
  .meta({ id: 'LogTemplate' });
export type LogTemplate = z.output<typeof LogTemplate>;

/** Rows that were written to a compressed file before they were removed. */
export const LogArchive = z
  .object({
    id: z.int(),
    table_name: z.string(),
    period: z.string(),
    from_at: z.iso.datetime(),
    until_at: z.iso.datetime(),
    rows: z.int(),
    bytes: z.int(),
    sha256: z.string(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'LogArchive' });
export type LogArchive = z.output<typeof LogArchive>;
