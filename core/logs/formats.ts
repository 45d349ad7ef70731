import { letterLevel, markedWord, type Severity, syslogLevel } from './levels.ts';
import { type Clock, readStamp } from './time.ts';

/** What a line in a format with a grammar of its own says. `rest`: where a message begins that may be in a format itself. */
export type Recognised = {
  format: string;
  severity: Severity | null;
  time: number | null;
  component: string | null;
  end: number;
  rest: boolean;
};

type Read = (match: RegExpExecArray, line: string, clock: Clock) => Recognised;
type Format = { first: (code: number) => boolean; pattern: RegExp; read: Read };

const digit = (code: number): boolean => code >= 48 && code <= 57;
const capital = (code: number): boolean => code >= 65 && code <= 90;
const is =
  (char: string) =>
  (code: number): boolean =>
    code === char.charCodeAt(0);

function stampIn(text: string | undefined, clock: Clock): number | null {
  return text ? (readStamp(text, 0, clock)?.time ?? null) : null;
}

/** `0629` or `20240629` as a date that `readStamp` knows. */
function glogTime(date: string, time: string, clock: Clock): number | null {
  const stamp = date.length === 4 ? `${date.slice(0, 2)}-${date.slice(2)} ${time}` : `${date.length === 6 ? '20' : ''}${date} ${time}`;
  return stampIn(stamp, clock);
}

const NPM: Record<string, Severity> = {
  'ERR!': 'error',
  error: 'error',
  WARN: 'warning',
  warn: 'warning',
  notice: 'notice',
  verb: 'debug',
  sill: 'trace',
};
const REDIS: Record<string, Severity> = { '.': 'debug', '-': 'debug', '*': 'notice', '#': 'warning' };

const result = (format: string, facts: Partial<Recognised> & { end: number }): Recognised => ({
  format,
  severity: null,
  time: null,
  component: null,
  rest: false,
  ...facts,
});

/** Syslog after its PRI: RFC 5424 with version and structured data, RFC 3164 with a BSD stamp, or anything else. */
const RFC5424 = /<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^\]\\"]|"(?:[^"\\]|\\.)*"|\\.)*\])+) ?(?:\uFEFF|BOM)?/y;
const RFC3164 =
  /<(\d{1,3})>((?:[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?: \S+)?|\d{4}-\d\d-\d\d[T ]\S+(?: \S+)?)?) ?(?:([\w./()-]+)(?:\[[^\]]*\])?: )?/y;
const named = (value: string | undefined): string | null => (value && value !== '-' ? value : null);

const FORMATS: Format[] = [
  {
    first: is('<'),
    pattern: RFC5424,
    read: (m, _line, clock) =>
      result('syslog', {
        severity: syslogLevel(Number(m[1])),
        time: stampIn(m[2], clock),
        component: named(m[4]) ?? named(m[3]),
        end: m[0].length,
        rest: true,
      }),
  },
  {
    first: is('<'),
    pattern: RFC3164,
    read: (m, _line, clock) =>
      result('syslog', {
        severity: syslogLevel(Number(m[1])),
        time: stampIn(m[2], clock),
        component: named(m[3]),
        end: m[0].length,
        rest: true,
      }),
  },
  {
    first: capital,
    pattern: /([IWEFDC])(\d{4}|\d{6}|\d{8}) (\d\d:\d\d:\d\d\.\d+)\s+\d+ ([^\s:\]]+):\d+\]? ?/y,
    read: (m, _line, clock) =>
      result('klog', {
        severity: letterLevel(m[1] as string),
        time: glogTime(m[2] as string, m[3] as string, clock),
        component: m[4] as string,
        end: m[0].length,
      }),
  },
  {
    first: digit,
    pattern: /((?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d+)(?: +[+-]\d{4})?(?: +\S+)? +\d+ +\d+ ([VDIWEFAS]) ([^:]*): /y,
    read: (m, _line, clock) =>
      result('logcat', {
        severity: letterLevel(m[2] as string),
        time: stampIn(m[1], clock),
        component: named(m[3]?.trim()),
        end: m[0].length,
      }),
  },
  {
    first: capital,
    pattern: /([VDIWEFA])\/([^(:\s][^(:]*)(?:\( *\d+\))?: /y,
    read: (m) => result('logcat', { severity: letterLevel(m[1] as string), component: named(m[2]?.trimEnd()), end: m[0].length }),
  },
  {
    first: is('['),
    pattern: /\[ (\d\d-\d\d \d\d:\d\d:\d\d\.\d+) +\d+: *\d+ ([VDIWEFAS])\/(\S+) *\]/y,
    read: (m, _line, clock) =>
      result('logcat', { severity: letterLevel(m[2] as string), time: stampIn(m[1], clock), component: named(m[3]), end: m[0].length }),
  },
  {
    first: capital,
    pattern: /([DIWEFA]), \[(\S+)(?: #\d+)?\] +[A-Z]+ -- ([^:]*): /y,
    read: (m, _line, clock) =>
      result('ruby', { severity: letterLevel(m[1] as string), time: stampIn(m[2], clock), component: named(m[3]), end: m[0].length }),
  },
  {
    first: digit,
    pattern: /\d+:[XCSM] (\d\d [A-Z][a-z]{2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?) ([.*#-]) /y,
    read: (m, _line, clock) =>
      result('redis', { severity: REDIS[m[2] as string] ?? null, time: stampIn(m[1], clock), component: 'redis', end: m[0].length }),
  },
  {
    first: is('['),
    pattern: /\[\d+\] (\d\d [A-Z][a-z]{2} \d\d:\d\d:\d\d(?:\.\d+)?) ([.*#-]) /y,
    read: (m) => result('redis', { severity: REDIS[m[2] as string] ?? null, component: 'redis', end: m[0].length }),
  },
  {
    first: is('n'),
    pattern: /npm (ERR!|WARN|error|warn|notice|info|verb|http|sill) /y,
    read: (m) => result('npm', { severity: NPM[m[1] as string] ?? 'info', component: 'npm', end: m[0].length }),
  },
  {
    first: is('='),
    pattern: /=(ERROR|CRASH|WARNING|INFO|SUPERVISOR|PROGRESS|NOTICE|DEBUG|CRITICAL) REPORT={2,80}(?!=) ?([^=]*)={1,80}$/y,
    read: (m, _line, clock) =>
      result('erlang', {
        severity: m[1] === 'CRASH' || m[1] === 'SUPERVISOR' ? 'error' : (markedWord(m[1] as string) ?? 'info'),
        time: stampIn(m[2]?.trimEnd(), clock),
        end: m[0].length,
      }),
  },
  {
    first: (code) => digit(code) || capital(code),
    pattern:
      /(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d{4})?|[A-Z][a-z]{2} .{5,40}) 0x[0-9a-f]+ +(Default|Info|Debug|Error|Fault|Activity) +0x/y,
    read: (m, line, clock) =>
      result('macos', {
        severity: markedWord(m[1] as string) ?? 'info',
        time: readStamp(line, 0, clock)?.time ?? null,
        end: m[0].length,
      }),
  },
];

/** The formats whose levels are letters, numbers or marks, so that only their grammar tells them; null when the line is in none of them. */
export function recognise(line: string, clock: Clock): Recognised | null {
  const code = line.charCodeAt(0);
  for (const { first, pattern, read } of FORMATS) {
    if (!first(code)) continue;
    pattern.lastIndex = 0;
    const match = pattern.exec(line);
    if (match) return read(match, line, clock);
  }
  return null;
}
