import type { Config } from '../config/env.ts';
import type { RetentionPolicy } from '../core/retention.ts';

type Names =
  | 'IDEMPOTENCY_HOURS'
  | 'RETENTION_LOG_DAYS'
  | 'RETENTION_INSTANCE_DAYS'
  | 'RETENTION_TASK_DAYS'
  | 'RETENTION_AUDIT_DAYS'
  | 'RETENTION_NOTICE_DAYS';
export type RetentionSettings = Pick<Config, Names>;

/** How long rows are kept, from the settings. */
export const retentionPolicy = (config: RetentionSettings): RetentionPolicy => ({
  idempotency_hours: config.IDEMPOTENCY_HOURS,
  log_days: config.RETENTION_LOG_DAYS,
  instance_days: config.RETENTION_INSTANCE_DAYS,
  task_days: config.RETENTION_TASK_DAYS,
  audit_days: config.RETENTION_AUDIT_DAYS,
  notice_days: config.RETENTION_NOTICE_DAYS,
});
