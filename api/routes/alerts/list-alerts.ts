import { z } from 'zod';
import { SEVERITIES } from '../../../core/detection/frame.ts';
import { listAlerts } from '../../../entities/alert-list.queries.ts';
import { ALERT_DELIVERIES, Alert, alertFilters } from '../../../schemas/alert.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { csvOf } from '../csv-pages.ts';
import { scopeOf } from '../scope.ts';

const COLUMNS = [
  'id',
  'rule_id',
  'rule_name',
  'camera_id',
  'state',
  'violation_id',
  'violation_type',
  'severity',
  'violations',
  'delivery',
  'reason',
  'attempts',
  'error',
  'fired_at',
  'sent_at',
  'resolved_at',
  'acked_by',
  'acked_at',
  'ack_note',
] as const;

export const listAlertsRoute = defineRoute({
  id: 'listAlerts',
  method: 'get',
  path: '/alerts/history',
  summary: 'List alerts, sent and suppressed, newest first: of one’s own cameras, or of all for operators',
  tags: ['alerts'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    ...alertFilters,
    delivery: words(ALERT_DELIVERIES).optional().describe('comma-separated'),
    severity: words(SEVERITIES).optional().describe('comma-separated'),
    acknowledged: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional(),
    format: z.enum(['json', 'csv']).default('json').describe('csv: all of them, as a file'),
  }),
  response: { status: 200, schema: pageOf(Alert), download: ['text/csv'] },
  handle: async ({ query: { limit, cursor, format, ...filter } }, ctx) => {
    const read = (page: Parameters<typeof listAlerts>[2]) => listAlerts(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, page);
    if (format === 'csv') return csvOf({ name: 'alerts', columns: COLUMNS, signal: ctx.signal, read });
    return await read({ limit, cursor: cursor ?? null });
  },
});
