import { z } from 'zod';
import { SEVERITIES } from '../../../core/detection/frame.ts';
import { getRecentViolations } from '../../../entities/violation-event.queries.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { VIOLATION_STATUSES, Violation, violationFilters } from '../../../schemas/violation.ts';
import { defineRoute } from '../../define-route.ts';
import { csvOf } from '../csv-pages.ts';
import { scopeOf } from '../scope.ts';

const COLUMNS = [
  'id',
  'camera_id',
  'session_id',
  'track_id',
  'violation_type',
  'segment_no',
  'timestamp',
  'last_seen',
  'ended_at',
  'duration_s',
  'frames',
  'confidence',
  'severity',
  'zones',
  'box',
  'status',
  'handled_by',
  'handled_at',
  'notes',
] as const;

export const listViolationsRoute = defineRoute({
  id: 'listViolations',
  method: 'get',
  path: '/violations',
  summary: 'List violations, newest first: of one’s own cameras, or of all for operators',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    ...violationFilters,
    status: words(VIOLATION_STATUSES).optional().describe('comma-separated'),
    severity: words(SEVERITIES).optional().describe('comma-separated'),
    min_confidence: z.coerce.number().min(0).max(1).optional(),
    open: z
      .stringbool({ truthy: ['true'], falsy: ['false'] })
      .optional()
      .describe('true: those that go on'),
    format: z.enum(['json', 'csv']).default('json').describe('csv: all of them, as a file'),
  }),
  response: { status: 200, schema: pageOf(Violation), download: ['text/csv'] },
  handle: async ({ query: { limit, cursor, format, ...filter } }, ctx) => {
    const read = (page: Parameters<typeof getRecentViolations>[2]) =>
      getRecentViolations(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, page);
    if (format === 'csv') return csvOf({ name: 'violations', columns: COLUMNS, signal: ctx.signal, read });
    return await read({ limit, cursor: cursor ?? null });
  },
});
