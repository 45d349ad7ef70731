import type { ScheduleSpec } from '@temporalio/client';
import type { CronFields } from '../core/cron.ts';
import { compileRule, type RuleText } from '../core/occurrences.ts';

const MONTHS = [
  'JANUARY',
  'FEBRUARY',
  'MARCH',
  'APRIL',
  'MAY',
  'JUNE',
  'JULY',
  'AUGUST',
  'SEPTEMBER',
  'OCTOBER',
  'NOVEMBER',
  'DECEMBER',
] as const;
const WEEKDAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const;
type Calendar = NonNullable<ScheduleSpec['calendars']>[number];

const sorted = (values: Iterable<number>): number[] => [...new Set(values)].sort((a, b) => a - b);

/** Consecutive values as ranges, which keeps what Temporal stores small. */
function ranges(values: readonly number[]): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (const value of values) {
    const last = found.at(-1);
    if (last && last.end === value - 1) last.end = value;
    else found.push({ start: value, end: value });
  }
  return found;
}

/** The last day of a month and the nth of its weekdays cannot be said to Temporal: then it wakes us on every day that might be one. */
function calendarsOf(fields: CronFields): Calendar[] {
  const time: Calendar = {
    second: ranges(fields.seconds),
    minute: ranges(fields.minutes),
    hour: ranges(fields.hours),
    month: sorted(fields.months).map((month) => MONTHS[month - 1] ?? 'JANUARY'),
  };
  const dates = sorted([...fields.days_of_month, ...(fields.last_day ? [28, 29, 30, 31] : [])]);
  const weekdays = sorted([...fields.days_of_week, ...fields.last_weekdays]).map((day) => WEEKDAYS[day] ?? 'SUNDAY');
  const [byDate, byWeekday] = [{ dayOfMonth: ranges(dates) }, { dayOfWeek: weekdays }];
  if (fields.either)
    return [
      { ...time, ...byDate, dayOfWeek: '*' },
      { ...time, ...byWeekday, dayOfMonth: '*' },
    ];
  return [{ ...time, ...byDate, ...byWeekday }];
}

/**
 * When Temporal shall wake us. It only wakes: what fires is decided by `core/occurrences.ts` in the database's transaction, so a time too many
 * (the second of two equal ones) does nothing and one too few (in a gap of the clocks) is found by the sweeper.
 */
export function specOf(row: RuleText & { start_at: string | null; end_at: string | null }): ScheduleSpec {
  const { fields, every } = compileRule(row);
  const bounds = { ...(row.start_at ? { startAt: new Date(row.start_at) } : {}), ...(row.end_at ? { endAt: new Date(row.end_at) } : {}) };
  if (every) return { ...bounds, intervals: [{ every: every.every_s * 1000, offset: every.offset_s * 1000 }] };
  return { ...bounds, calendars: calendarsOf(fields as CronFields), timezone: row.timezone };
}
