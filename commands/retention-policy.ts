import type { Config } from '../config/env.ts';
import type { RetentionPolicy } from '../core/retention.ts';
import type { ArchivePolicy } from './archive-logs.ts';

type Names =
  | 'RETENTION_RECORD_DAYS'
  | 'RETENTION_VIOLATION_DAYS'
  | 'RETENTION_STATISTICS_DAYS'
  | 'RETENTION_ALERT_DAYS'
  | 'IDEMPOTENCY_HOURS'
  | 'RETENTION_LOG_DAYS'
  | 'RETENTION_INSTANCE_DAYS'
  | 'RETENTION_TASK_DAYS'
  | 'RETENTION_AUDIT_DAYS'
  | 'RETENTION_FLAMES_LOG_DAYS'
  | 'RETENTION_NOTICE_DAYS';
export type RetentionSettings = Pick<Config, Names>;
export type ArchiveSettings = Pick<Config, 'RETENTION_SEGMENT_DAYS' | 'RETENTION_IMAGE_LOG_DAYS' | 'LOG_ARCHIVE'>;

/** How long log segments and operations on images are kept, and whether they are written to files first. */
export const archivePolicy = (config: ArchiveSettings): ArchivePolicy => ({
  segment_days: config.RETENTION_SEGMENT_DAYS,
  image_log_days: config.RETENTION_IMAGE_LOG_DAYS,
  archive: config.LOG_ARCHIVE,
});

/** How long rows are kept, from the settings. */
export const retentionPolicy = (config: RetentionSettings): RetentionPolicy => ({
  idempotency_hours: config.IDEMPOTENCY_HOURS,
  log_days: config.RETENTION_LOG_DAYS,
  instance_days: config.RETENTION_INSTANCE_DAYS,
  task_days: config.RETENTION_TASK_DAYS,
  audit_days: config.RETENTION_AUDIT_DAYS,
  detection: {
    record_days: config.RETENTION_RECORD_DAYS,
    violation_days: config.RETENTION_VIOLATION_DAYS,
    statistics_days: config.RETENTION_STATISTICS_DAYS,
    alert_days: config.RETENTION_ALERT_DAYS,
  },
  flames_log_days: config.RETENTION_FLAMES_LOG_DAYS,
  notice_days: config.RETENTION_NOTICE_DAYS,
});
