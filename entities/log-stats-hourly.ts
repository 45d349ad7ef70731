import { defineEntity, p } from '@mikro-orm/core';
import { SEGMENT_TYPES, SEVERITIES } from '../core/logs/levels.ts';
import { times } from './columns.ts';

const LogStatsHourlySchema = defineEntity({
  name: 'LogStatsHourly',
  tableName: 'log_stats_hourly',
  properties: {
    container_id: p.text().primary(),
    hour: p.datetime(3).primary(),
    severity_level: p.enum(SEVERITIES).primary(),
    component: p.text().primary(),
    segment_type: p.enum(SEGMENT_TYPES),
    count: p.bigint('number').default(0),
    ...times,
  },
  indexes: [
    { name: 'idx_log_stats_hourly_hour', properties: ['hour'] },
    { name: 'idx_log_stats_hourly_updated', properties: ['updated_at'] },
  ],
  checks: [{ name: 'log_stats_hourly_count_check', expression: 'count >= 0' }],
});

/** Segments by container, hour (UTC, of `logged_at`), severity and component ('' for none). Kept by triggers in the same transaction as the segments, so both always agree. */
export class LogStatsHourly extends LogStatsHourlySchema.class {}
LogStatsHourlySchema.setClass(LogStatsHourly);
