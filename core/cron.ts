import { CronExpressionParser, type CronFieldCollection } from 'cron-parser';
import { EngineError } from './errors.ts';

/**
 * A cron rule as sets. `days_of_week` 0 is Sunday. `last_day`: the month's last day too. `nth`: only the nth of those weekdays in a month.
 * `last_weekdays`: only the last of those weekdays. `either`: a day matches when day of month or weekday does, as crontab has it where both
 * are restricted. `fixed_hour`: false for rules that run every hour: they keep elapsed time when clocks are moved.
 */
export type CronFields = {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  days_of_month: ReadonlySet<number>;
  months: ReadonlySet<number>;
  days_of_week: ReadonlySet<number>;
  last_day: boolean;
  nth: number;
  last_weekdays: ReadonlySet<number>;
  either: boolean;
  any_day: boolean;
  fixed_hour: boolean;
};

/** Every so often, counted from 1970-01-01T00:00:00Z plus `offset_s`. */
export type Every = { every_s: number; offset_s: number };

const NAMED: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const bad = (cron: string, why: string): EngineError =>
  new EngineError('invalid_input', `cron "${cron}": ${why}`, { errors: [{ pointer: '/cron', detail: why }] });

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const EVERY = /^@every (\d{1,6})([smhd])(?:\/(\d{1,6})([smhd]))?$/;

/** Reads `@every 15m` or `@every 1h/10m` (ten minutes past); null when it is none of these. @throws EngineError invalid_input */
export function parseEvery(cron: string): Every | null {
  if (!cron.startsWith('@every')) return null;
  const [, count, unit, offset = '0', offsetUnit = 's'] = EVERY.exec(cron) ?? [];
  if (count === undefined) throw bad(cron, 'expected "@every <number><s|m|h|d>", optionally with "/<offset>", such as "@every 15m/2m"');
  const every_s = Number(count) * UNIT_S[unit as keyof typeof UNIT_S];
  const offset_s = Number(offset) * UNIT_S[offsetUnit as keyof typeof UNIT_S];
  if (every_s < 1 || every_s > 366 * 86_400) throw bad(cron, `expected between 1 second and 366 days, got ${every_s} s`);
  if (offset_s >= every_s) throw bad(cron, `the offset must be shorter than the interval, got ${offset_s} s of ${every_s} s`);
  return { every_s, offset_s };
}

/**
 * Reads a cron expression of 5 fields, or of 6 whose first is seconds where `seconds` says so. Names of months and weekdays, lists, ranges,
 * steps, `L`, `5L`, `1#2` and `@daily` and its like are understood; a year is not.
 * @throws EngineError invalid_input: says which part and what is expected
 * @see POSIX crontab(1)
 */
export function parseCron(cron: string, seconds: boolean): CronFields {
  const text = NAMED[cron.trim().toLowerCase()] ?? cron.trim();
  if (text.startsWith('@')) throw bad(cron, `expected one of ${Object.keys(NAMED).join(', ')}, "@every 15m", or 5 fields`);
  const count = text.split(/\s+/).length;
  refuseCount(cron, count, seconds && !(cron.trim().toLowerCase() in NAMED));
  refuseUnknown(cron, text);
  try {
    return fieldsOf(CronExpressionParser.parse(text, { tz: 'UTC' }).fields);
  } catch (cause) {
    throw bad(cron, faultIn(text) ?? (cause as Error).message);
  }
}

const FIELDS = ['second', 'minute', 'hour', 'day-of-month', 'month', 'day-of-week'];

/** The fields of an expression, each with its name. */
function namedFields(text: string): { name: string; field: string }[] {
  const fields = text.split(/\s+/);
  return fields.map((field, n) => ({ field, name: FIELDS[n + FIELDS.length - fields.length] as string }));
}

/** What other implementations know, and what to write instead. */
const UNKNOWN: [RegExp, string][] = [
  [/(^|[\d*L,])W(,|$)/i, '"W" (the weekday nearest to a date) is not supported: name the weekdays, or two dates'],
  [/(^|,)L-\d/i, '"L-n" (days before the last) is not supported: name the dates'],
  [/(^|,)H/i, '"H" is not supported: use jitter_s to spread schedules'],
];

function refuseUnknown(cron: string, text: string): void {
  for (const { name, field } of namedFields(text)) {
    const [, why] = UNKNOWN.find(([pattern]) => pattern.test(field)) ?? [];
    if (why) throw bad(cron, `${name} "${field}": ${why}`);
  }
}

/** Which field it is that cannot be read, found by reading each alone; null: they do not go together. */
function faultIn(text: string): string | null {
  const named = namedFields(text);
  for (const { name, field } of named) {
    try {
      CronExpressionParser.parse(named.map((other) => (other.name === name ? field : '*')).join(' '), { tz: 'UTC' });
    } catch (cause) {
      return `${name} "${field}": ${(cause as Error).message}`;
    }
  }
  return null;
}

function refuseCount(cron: string, count: number, seconds: boolean): void {
  const expected = seconds ? 6 : 5;
  if (count === expected) return;
  if (count === 6) throw bad(cron, '6 fields given: with "seconds": true the first one is seconds; a year is not supported; expected 5');
  const names = `${seconds ? 'second ' : ''}minute hour day-of-month month day-of-week`;
  throw bad(cron, `${count} fields given, expected ${expected}: ${names}`);
}

const numbers = (values: readonly (number | string)[]): number[] => values.filter((value) => typeof value === 'number');

function fieldsOf(fields: CronFieldCollection): CronFields {
  const weekdays = fields.dayOfWeek.values as (number | string)[];
  const days = fields.dayOfMonth.values as (number | string)[];
  const days_of_month = new Set(numbers(days));
  const days_of_week = new Set(numbers(weekdays).map((day) => day % 7));
  const last_weekdays = new Set(weekdays.filter((day) => typeof day === 'string').map((day) => Number.parseInt(day, 10) % 7));
  const all_dates = days_of_month.size === 31;
  const all_weekdays = days_of_week.size === 7 && fields.dayOfWeek.nthDay === 0;
  return {
    seconds: numbers(fields.second.values as number[]),
    minutes: numbers(fields.minute.values as number[]),
    hours: numbers(fields.hour.values as number[]),
    days_of_month,
    months: new Set(numbers(fields.month.values as number[])),
    days_of_week,
    last_day: days.includes('L'),
    nth: fields.dayOfWeek.nthDay,
    last_weekdays,
    either: !all_dates && !all_weekdays,
    any_day: all_dates && all_weekdays,
    fixed_hour: fields.hour.values.length < 24 && !fields.hour.isWildcard,
  };
}

/** Whether the rule runs on a local day, given as the wall time of its midnight. */
export function matchesDay(fields: CronFields, midnight: number): boolean {
  const date = new Date(midnight);
  if (!fields.months.has(date.getUTCMonth() + 1)) return false;
  if (fields.any_day) return true;
  const [byDate, byWeekday] = [matchesDate(fields, date), matchesWeekday(fields, date)];
  return fields.either ? byDate || byWeekday : byDate && byWeekday;
}

const lastDayOf = (date: Date): number => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();

const matchesDate = (fields: CronFields, date: Date): boolean =>
  fields.days_of_month.has(date.getUTCDate()) || (fields.last_day && date.getUTCDate() === lastDayOf(date));

function matchesWeekday(fields: CronFields, date: Date): boolean {
  const [weekday, day] = [date.getUTCDay(), date.getUTCDate()];
  if (fields.last_weekdays.has(weekday) && day + 7 > lastDayOf(date)) return true;
  return fields.days_of_week.has(weekday) && (fields.nth === 0 || Math.ceil(day / 7) === fields.nth);
}
