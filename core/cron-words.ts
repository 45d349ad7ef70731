import type { CronFields } from './cron.ts';
import type { Rule } from './occurrences.ts';

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const NTH = ['', 'first', 'second', 'third', 'fourth', 'fifth'];
/** More times of a day than this are described by their hours and minutes. */
const MOST_TIMES = 6;

const two = (n: number): string => String(n).padStart(2, '0');

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

/** `1, 3 to 5 and 9`. */
function ranges(values: readonly number[], name: (value: number) => string): string {
  const runs: number[][] = [];
  for (const value of values) {
    const run = runs.at(-1);
    if (run?.at(-1) === value - 1) run.push(value);
    else runs.push([value]);
  }
  return listed(runs.flatMap((run) => (run.length < 3 ? run.map(name) : [`${name(run[0] ?? 0)} to ${name(run.at(-1) ?? 0)}`])));
}

/** The step of values that cover the whole of 0–size evenly; null when they do not. */
function stepOf(values: readonly number[], size: number): number | null {
  const step = (values[1] ?? size) - (values[0] ?? 0);
  const even = values[0] === 0 && size % step === 0 && values.length === size / step && values.every((value, i) => value === i * step);
  return even ? step : null;
}

function every(values: readonly number[], size: number, unit: string): string {
  const step = stepOf(values, size);
  if (step === 1) return `every ${unit}`;
  if (step !== null && step < size) return `every ${step} ${unit}s`;
  return `at ${unit} ${ranges(values, String)}`;
}

function timeOfDay(fields: CronFields): string {
  const { seconds, minutes, hours } = fields;
  return seconds.length === 1 && hours.length * minutes.length <= MOST_TIMES ? clockTimes(fields) : repeatedTimes(fields);
}

function clockTimes({ seconds, minutes, hours }: CronFields): string {
  const second = seconds[0] === 0 ? '' : `:${two(seconds[0] ?? 0)}`;
  return `at ${listed(hours.flatMap((hour) => minutes.map((minute) => `${two(hour)}:${two(minute)}${second}`)))}`;
}

function repeatedTimes({ seconds, minutes, hours }: CronFields): string {
  const onTheMinute = seconds.length === 1 && seconds[0] === 0;
  const second = onTheMinute ? '' : every(seconds, 60, 'second');
  const minute = minutes.length === 60 && !onTheMinute ? '' : every(minutes, 60, 'minute');
  const step = stepOf(hours, 24) ? `of ${every(hours, 24, 'hour')}` : `of hour ${ranges(hours, String)}`;
  return [second, minute, hours.length < 24 ? step : ''].filter(Boolean).join(' ');
}

const sorted = (values: ReadonlySet<number>): number[] => [...values].sort((a, b) => a - b);

function dates({ days_of_month, last_day }: CronFields): string {
  if (days_of_month.size === 31) return '';
  const days = days_of_month.size > 0 ? `day ${ranges(sorted(days_of_month), String)}` : '';
  return [days, last_day ? 'the last day' : ''].filter(Boolean).join(' and ');
}

function weekdays({ days_of_week, nth, last_weekdays }: CronFields): string {
  const name = (day: number) => WEEKDAYS[day] ?? '';
  if (nth > 0) return `the ${NTH[nth]} ${ranges(sorted(days_of_week), name)}`;
  const plain = days_of_week.size === 7 || days_of_week.size === 0 ? '' : ranges(sorted(days_of_week), name);
  return [plain, last_weekdays.size > 0 ? `the last ${ranges(sorted(last_weekdays), name)}` : ''].filter(Boolean).join(' and ');
}

function days(fields: CronFields): string {
  const parts = [dates(fields), weekdays(fields)].filter(Boolean);
  const on = parts.length > 0 ? ` on ${parts.join(fields.either ? ' or ' : ' that is also ')}` : ' every day';
  const quiet = on === ' every day' && fields.hours.length === 24;
  const months = fields.months.size === 12 ? '' : ` in ${ranges(sorted(fields.months), (month) => MONTHS[month - 1] ?? '')}`;
  return `${quiet ? '' : on}${months}`;
}

/** The rule as a sentence: `At 02:30 on Monday to Friday, Europe/Berlin time`. */
export function inWords(rule: Rule): string {
  if (rule.every) {
    const { every_s, offset_s } = rule.every;
    return `Every ${every_s} seconds, counted from 1970-01-01T00:00:00Z${offset_s > 0 ? ` plus ${offset_s} seconds` : ''}`;
  }
  const fields = rule.fields as CronFields;
  const text = `${timeOfDay(fields)}${days(fields)}, ${rule.timezone} time`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
