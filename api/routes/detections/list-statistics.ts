import { z } from 'zod';
import { getStatistics } from '../../../entities/camera-statistics.queries.ts';
import { HourStatistics } from '../../../schemas/detection-statistics.ts';
import { Instant, Name } from '../../../schemas/limits.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { csvOf } from '../csv-pages.ts';
import { scopeOf } from '../scope.ts';

const COLUMNS = [
  'camera_id',
  'hour_start',
  'total_frames',
  'person_frames',
  'persons_max',
  'violating_person_frames',
  'hairnet_violations',
  'violations_opened',
  'distinct_tracks',
  'compliance',
] as const;

export const listDetectionStatisticsRoute = defineRoute({
  id: 'listDetectionStatistics',
  method: 'get',
  path: '/detections/statistics',
  summary: 'Hourly statistics (UTC) of cameras, newest first; all frames count, saved or not',
  tags: ['detections'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    camera_id: Name.optional(),
    from: Instant.optional().describe('hours that begin at or after'),
    until: Instant.optional().describe('hours that begin before'),
    format: z.enum(['json', 'csv']).default('json').describe('csv: all of them, as a file'),
  }),
  response: { status: 200, schema: pageOf(HourStatistics), download: ['text/csv'] },
  handle: async ({ query: { limit, cursor, format, ...filter } }, ctx) => {
    const read = (page: Parameters<typeof getStatistics>[2]) => getStatistics(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, page);
    if (format === 'csv') return csvOf({ name: 'detection-statistics', columns: COLUMNS, signal: ctx.signal, read });
    return await read({ limit, cursor: cursor ?? null });
  },
});
