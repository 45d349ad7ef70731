import { z } from 'zod';
import { countSegments, statisticsCache, trendOf } from '../../../commands/log-statistics.ts';
import { listTemplates } from '../../../entities/log-segment.queries.ts';
import { ContainerId, LogStats, LogTemplate, LogTrend, StatsQuery, TrendQuery } from '../../../schemas/log-segment.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';

export const getLogStatsRoute = defineRoute({
  id: 'getLogStats',
  method: 'get',
  path: '/container-logs/stats',
  summary: 'Count log segments by type, severity, container, component or hour',
  tags: ['container logs'],
  rights: 'operator',
  query: StatsQuery,
  response: { status: 200, schema: LogStats },
  handle: async ({ query: { max_age_s, ...wanted } }, ctx) =>
    await statisticsCache.answer(`stats ${JSON.stringify(wanted)}`, max_age_s ?? ctx.config.LOG_STATS_MAX_AGE_S, () =>
      countSegments(ctx.em, wanted),
    ),
});

export const getLogTrendRoute = defineRoute({
  id: 'getLogTrend',
  method: 'get',
  path: '/container-logs/trend',
  summary: 'Log segments of each type over time, without gaps',
  tags: ['container logs'],
  rights: 'operator',
  query: TrendQuery,
  response: { status: 200, schema: LogTrend },
  handle: async ({ query: { max_age_s, ...wanted } }, ctx) =>
    await statisticsCache.answer(`trend ${JSON.stringify(wanted)}`, max_age_s ?? ctx.config.LOG_STATS_MAX_AGE_S, () =>
      trendOf(ctx.em, wanted),
    ),
});

export const listLogTemplatesRoute = defineRoute({
  id: 'listLogTemplates',
  method: 'get',
  path: '/container-logs/templates',
  summary: 'The shapes that messages have in common, most frequent first',
  tags: ['container logs'],
  rights: 'operator',
  query: z.strictObject({
    ...PageQuery,
    container_id: ContainerId.optional(),
    source_id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  }),
  response: { status: 200, schema: pageOf(LogTemplate) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listTemplates(ctx.em, filter, { limit, cursor: cursor ?? null }),
});
