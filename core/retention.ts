/** Whose rows are removed by age; children stand before their parents. */
export const RETAINED = [
  'idempotency_keys',
  'instance_logs',
  'instances',
  'breaches',
  'tasks',
  'audit_log',
  'alert_history',
  'violation_events',
  'detection_records',
  'detection_minutes',
  'statistics_hourly',
  'detection_sessions',
  'task_flames_logs',
  'flames_cache',
  'notifications',
  'deliveries',
  'pool_resizes',
] as const;
export type Retained = (typeof RETAINED)[number];

/** How long rows are kept: days after the end (0: for ever), hours after the request for idempotency keys. */
export type RetentionPolicy = {
  idempotency_hours: number;
  log_days: number;
  instance_days: number;
  task_days: number;
  audit_days: number;
  /** Absent: for ever. Violations that were confirmed are kept four times as long. */
  detection?: { record_days: number; violation_days: number; statistics_days: number; alert_days: number };
  flames_log_days: number;
  notice_days: number;
};

/** Rows that ended before this instant may go; null: none may. */
export type Cutoffs = Record<Retained, Date | null>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const longest = (...days: readonly number[]): number => (days.includes(0) ? 0 : Math.max(...days));
const daysBefore = (now: Date, days: number): Date | null => (days === 0 ? null : new Date(now.getTime() - days * DAY_MS));

type DetectionTable =
  | 'alert_history'
  | 'violation_events'
  | 'detection_records'
  | 'detection_minutes'
  | 'statistics_hourly'
  | 'detection_sessions';

/** Hours are computed from minutes, so both stay alike; sessions stay as long as anything of theirs may. */
function detectionCutoffs({ detection }: RetentionPolicy, now: Date): Record<DetectionTable, Date | null> {
  const { record_days, violation_days, statistics_days, alert_days } = detection ?? {
    record_days: 0,
    violation_days: 0,
    statistics_days: 0,
    alert_days: 0,
  };
  return {
    alert_history: daysBefore(now, alert_days),
    violation_events: daysBefore(now, violation_days),
    detection_records: daysBefore(now, record_days),
    detection_minutes: daysBefore(now, statistics_days),
    statistics_hourly: daysBefore(now, statistics_days),
    detection_sessions: daysBefore(now, longest(record_days, violation_days, statistics_days)),
  };
}

/** What may go as of `now`. A parent stays at least as long as its children: a task as its instances, an instance as its log lines. */
export function cutoffsOf(policy: RetentionPolicy, now: Date): Cutoffs {
  const instance_days = longest(policy.log_days, policy.instance_days);
  return {
    idempotency_keys: new Date(now.getTime() - policy.idempotency_hours * HOUR_MS),
    instance_logs: daysBefore(now, policy.log_days),
    instances: daysBefore(now, instance_days),
    tasks: daysBefore(now, longest(instance_days, policy.task_days)),
    audit_log: daysBefore(now, policy.audit_days),
    ...detectionCutoffs(policy, now),
    task_flames_logs: daysBefore(now, policy.flames_log_days),
    flames_cache: now,
    notifications: daysBefore(now, policy.notice_days),
    deliveries: daysBefore(now, policy.notice_days),
    breaches: daysBefore(now, policy.notice_days),
    pool_resizes: daysBefore(now, policy.notice_days),
  };
}

/**
 * The latest instant, not after `now`, at which a daily event of this time of day was due.
 * @param time_of_day `HH:MM` in UTC
 */
export function latestDaily(time_of_day: string, now: Date): Date {
  const [hours = 0, minutes = 0] = time_of_day.split(':').map(Number);
  const today = new Date(now);
  today.setUTCHours(hours, minutes, 0, 0);
  return today > now ? new Date(today.getTime() - DAY_MS) : today;
}
