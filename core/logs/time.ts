/** Where a time stamp ends in the text, and the instant it names in milliseconds since 1970; null: it names none (no date, no year). */
export type Stamp = { end: number; time: number | null; kind: 'full' | 'syslog' | 'partial' };

/** What a stamp leaves open: `reference` is an instant near the line's own, from which the year is taken where there is none. */
export type Clock = { reference: number | null };

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const monthOf = (name = ''): number => MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;

type Parts = { year: number; month: number; day: number; hour: number; minute: number; second: number; fraction?: string; zone?: string };

const fractionMs = (digits: string | undefined): number => (digits ? Number(digits.slice(0, 3).padEnd(3, '0')) : 0);

function zoneMs(zone: string | undefined): number {
  if (!zone || !/^[+-]/.test(zone)) return 0;
  const digits = zone.replace(/\D/g, '');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4) || 0);
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** Stamps without a zone count as UTC, which is what containers run in. */
function instant({ year, month, day, hour, minute, second, fraction, zone }: Parts): number | null {
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60) return null;
  return Date.UTC(year, month - 1, day, hour, minute, second, fractionMs(fraction)) - zoneMs(zone);
}

const DAY_MS = 86_400_000;

/** The year that brings a date without one nearest before the reference, a day's difference of clocks allowed. */
function withoutYear(parts: Omit<Parts, 'year'>, { reference }: Clock): number | null {
  if (reference === null) return null;
  const year = new Date(reference).getUTCFullYear();
  const time = instant({ ...parts, year });
  return time !== null && time > reference + DAY_MS ? instant({ ...parts, year: year - 1 }) : time;
}

type Rule = { pattern: RegExp; read(match: RegExpExecArray, clock: Clock): number | null; kind?: Stamp['kind'] };
const n = (text: string | undefined): number => Number(text);
/** Hour, minute and second: three groups that follow each other from `at` on. */
const hms = (m: RegExpExecArray, at: number) => ({ hour: n(m[at]), minute: n(m[at + 1]), second: n(m[at + 2]) });
const afternoon = (hour: number, half: string | undefined): number => (half ? (hour % 12) + (/p/i.test(half) ? 12 : 0) : hour);

const ISO: Rule = {
  pattern:
    /(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T_ :-]|, | at )\s?(\d{1,2}):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?(?: ?(Z\b|[+-]\d\d:?\d\d(?![\d:]))|(?: UTC| GMT)\b)?/y,
  read: (m) => instant({ year: n(m[1]), month: n(m[2]), day: n(m[3]), ...hms(m, 4), fraction: m[7], zone: m[8] }),
};
const DOTTED: Rule = {
  pattern: /(\d{4})-(\d\d)-(\d\d)-(\d\d)\.(\d\d)\.(\d\d)(?:\.(\d{1,9}))?/y,
  read: (m) => instant({ year: n(m[1]), month: n(m[2]), day: n(m[3]), ...hms(m, 4), fraction: m[7] }),
};
const DATE: Rule = { pattern: /\d{4}[-/.]\d\d[-/.]\d\d(?![\d])/y, read: () => null, kind: 'partial' };
const COMPACT: Rule = {
  pattern: /(\d{4})(\d\d)(\d\d)[-T ](\d{1,2}):?(\d{1,2}):?(\d{1,2})(?:[:.,](\d{1,9}))?(Z\b|[+-]\d\d:?\d\d)?/y,
  read: ISO.read,
};
const SHORT_YEAR: Rule = {
  pattern: /(\d\d)(\d\d)(\d\d)\s+(\d{1,2}):?(\d\d):?(\d\d)(?![\d:])(?:\.(\d+))?/y,
  read: (m) => instant({ year: 2000 + n(m[1]), month: n(m[2]), day: n(m[3]), ...hms(m, 4) }),
};
const SLASHED: Rule = {
  pattern: /(\d{1,2})\/(\d{1,2})\/(\d{4}|\d\d),? (\d{1,2}):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?(?: ?([AaPp][Mm]))?/y,
  read: (m) => {
    const [a, b, c] = [n(m[1]), n(m[2]), n(m[3])];
    const time = { ...hms(m, 4), hour: afternoon(n(m[4]), m[8]), fraction: m[7] };
    if (m[3]?.length === 2) return instant({ year: 2000 + a, month: b, day: c, ...time });
    return a > 12 ? instant({ year: c, month: b, day: a, ...time }) : instant({ year: c, month: a, day: b, ...time });
  },
};
const DAY_MONTH: Rule = {
  pattern:
    /(\d{1,2})[-/ ]([A-Z][a-z]{2})[-/ ](\d{4})(?:::|[: ])(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?([+-]\d\d:?\d\d)| (?:UTC|GMT))?/y,
  read: (m) => instant({ year: n(m[3]), month: monthOf(m[2]), day: n(m[1]), ...hms(m, 4), fraction: m[7], zone: m[8] }),
};
const MONTH_DAY: Rule = {
  pattern: /(\d\d)[-./](\d\d) (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?/y,
  read: (m, clock) => withoutYear({ month: n(m[1]), day: n(m[2]), ...hms(m, 3), fraction: m[6] }, clock),
};
const TIME: Rule = { pattern: /\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?(?: ?[AP]M)?|[AP]M)(?![\w:])/y, read: () => null, kind: 'partial' };
const EPOCH: Rule = {
  pattern: /(1\d{9})(?:\.(\d{1,9})|(\d{3}))?(?![\w.-])/y,
  read: (m) => n(m[1]) * 1000 + fractionMs(m[2] ?? m[3]),
};
const SYSLOG: Rule = {
  pattern:
    /(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}(\d{1,2})(?:,? (\d{4}))?,? (\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ([AP]M))?/y,
  read: (m, clock) => {
    const parts = { month: monthOf(m[1]), day: n(m[2]), ...hms(m, 4), hour: afternoon(n(m[4]), m[8]), fraction: m[7] };
    return m[3] ? instant({ ...parts, year: n(m[3]) }) : withoutYear(parts, clock);
  },
  kind: 'syslog',
};
const WEEKDAY: Rule = {
  pattern:
    /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: (?:[A-Z]{3,4}|[+-]\d{4}))? (\d{4})/y,
  read: (m) => instant({ year: n(m[7]), month: monthOf(m[1]), day: n(m[2]), ...hms(m, 3), fraction: m[6] }),
};
const WEEKDAY_FIRST: Rule = {
  pattern: /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)(?: (?:GMT|UTC|([+-]\d{4})))?/y,
  read: (m) => instant({ year: n(m[3]), month: monthOf(m[2]), day: n(m[1]), ...hms(m, 4), zone: m[7] }),
};

const WITH_LETTERS = [SYSLOG, WEEKDAY, WEEKDAY_FIRST];
/** Which rules a digit may begin, by the first character after its run of digits and the length of the run. */
const AFTER_FOUR = [ISO, DOTTED, DATE];
const AFTER_TWO: Record<string, Rule[]> = {
  '/': [DAY_MONTH, SLASHED, MONTH_DAY],
  '-': [DAY_MONTH, MONTH_DAY],
  '.': [MONTH_DAY],
  ':': [TIME],
  ' ': [DAY_MONTH],
};
const AFTER_MANY: Record<number, Rule[]> = { 6: [SHORT_YEAR], 8: [COMPACT], 10: [EPOCH], 13: [EPOCH] };

function digitsFrom(text: string, at: number): number {
  let end = at;
  while (end < text.length && end < at + 15) {
    const code = text.charCodeAt(end);
    if (code < 48 || code > 57) break;
    end++;
  }
  return end - at;
}

function rulesAt(text: string, at: number): readonly Rule[] {
  const digits = digitsFrom(text, at);
  if (digits === 0) return WITH_LETTERS;
  if (digits === 4) return AFTER_FOUR;
  if (digits <= 2) return AFTER_TWO[text[at + digits] ?? ''] ?? [];
  return AFTER_MANY[digits] ?? [];
}

/** The time stamp that begins at `at`, or null when none does. */
export function readStamp(text: string, at: number, clock: Clock): Stamp | null {
  for (const { pattern, read, kind } of rulesAt(text, at)) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) continue;
    const time = read(match, clock);
    if (time === null && kind === undefined && pattern !== MONTH_DAY.pattern) continue;
    return { end: pattern.lastIndex, time, kind: kind ?? 'full' };
  }
  return null;
}

/** A time in a field: ISO text, or seconds, milliseconds, micro- or nanoseconds since 1970, which its size tells. */
export function fieldTime(value: unknown, clock: Clock): number | null {
  if (typeof value === 'number') return epochMs(value);
  if (typeof value !== 'string' || value.length > 64) return null;
  if (/^\d{10,19}(?:\.\d+)?$/.test(value)) return epochMs(Number(value));
  return readStamp(value, 0, clock)?.time ?? null;
}

function epochMs(value: number): number | null {
  if (!(value > 1e8) || value > 1e20) return null;
  let ms = value;
  if (value < 1e11) ms = value * 1000;
  else if (value >= 1e17) ms = value / 1e6;
  else if (value >= 1e14) ms = value / 1e3;
  return Math.round(ms);
}
