import { z } from 'zod';
import { SAVED_FOR } from '../../../core/detection/sampling.ts';
import { listRecords } from '../../../entities/detection-list.queries.ts';
import { DetectionRecord, SessionName } from '../../../schemas/detection.ts';
import { Instant, Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { csvOf } from '../csv-pages.ts';
import { scopeOf } from '../scope.ts';

const COLUMNS = [
  'id',
  'camera_id',
  'session_id',
  'frame_number',
  'timestamp',
  'person_count',
  'hairnet_violations',
  'saved_for',
  'fps',
  'processing_ms',
  'objects',
  'detail',
] as const;

export const listRecordsRoute = defineRoute({
  id: 'listRecords',
  method: 'get',
  path: '/records',
  summary: 'List detection records by time: of one’s own cameras, or of all for operators',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    camera_id: Name.optional(),
    session_id: SessionName.optional(),
    from: Instant.optional(),
    until: Instant.optional().describe('not included'),
    saved_for: z.enum(SAVED_FOR).optional(),
    min_persons: z.coerce.number().int().min(0).max(100_000).optional(),
    has_violations: z
      .stringbool({ truthy: ['true'], falsy: ['false'] })
      .optional()
      .describe('persons without a hairnet'),
    sort: z.enum(['-timestamp', 'timestamp']).default('-timestamp'),
    format: z.enum(['json', 'csv']).default('json').describe('csv: all of them, as a file'),
  }),
  response: { status: 200, schema: pageOf(DetectionRecord), download: ['text/csv'] },
  handle: async ({ query: { limit, cursor, format, sort, ...filter } }, ctx) => {
    const wanted = { ...filter, oldest_first: sort === 'timestamp', ...scopeOf(ctx.actor) };
    const read = (page: Parameters<typeof listRecords>[2]) => listRecords(ctx.em, wanted, page);
    if (format === 'csv') return csvOf({ name: 'detection-records', columns: COLUMNS, signal: ctx.signal, read });
    return await read({ limit, cursor: cursor ?? null });
  },
});
