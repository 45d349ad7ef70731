/** Severity words, least to most severe. What a log says is mapped to these, whatever its own vocabulary. */
export const SEVERITIES = ['trace', 'debug', 'info', 'notice', 'warning', 'error', 'fatal'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The four types of a segment. */
export const SEGMENT_TYPES = ['error', 'warning', 'info', 'debug'] as const;
export type SegmentType = (typeof SEGMENT_TYPES)[number];

const TYPE: Record<Severity, SegmentType> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warning: 'warning',
  error: 'error',
  fatal: 'error',
};

/** The coarser type that a severity belongs to. */
export const typeOfSeverity = (severity: Severity): SegmentType => TYPE[severity];

const OTLP: Record<Severity, number> = { trace: 1, debug: 5, info: 9, notice: 10, warning: 13, error: 17, fatal: 21 };

/** SeverityNumber of OpenTelemetry's log data model, 1–24; rises with severity, so `>=` compares. */
export const severityNumber = (severity: Severity): number => OTLP[severity];

/** Words by which a header states a level, written as whole words. */
const HEADER_WORDS: Record<Severity, string> = {
  fatal: 'fatal critical crit emerg emergency alert panic dpanic ftl pnc',
  error: 'error err eror severe failure',
  warning: 'warning warn wrn',
  notice: 'notice',
  info: 'info inf information informational success',
  debug: 'debug dbg debug1 debug2 debug3 debug4 debug5 fine',
  trace: 'trace trc finer finest verbose vrb trace1 trace2 trace3 trace4 trace5 trace6 trace7 trace8',
};

/** Words that count only where their place says that they are a level: a field, brackets, or a colon behind them. */
const MARKED_WORDS: Record<Severity, string> = {
  fatal: 'fault',
  error: 'fail',
  warning: '',
  notice: 'note',
  info: 'system log audit ready',
  debug: 'dbug config',
  trace: 'trce silly spam',
};

/** Words and letters that only a field named like a level gives a meaning to. */
const FIELD_WORDS: Record<Severity, string> = {
  fatal: 'f c x',
  error: 'e errors exception stderr',
  warning: 'w warnings',
  notice: 'n',
  info: 'i default ok stdout http request',
  debug: 'd d1 d2 d3 d4 d5 debugging',
  trace: 't v all',
};

function lookUp(...lists: Record<Severity, string>[]): Map<string, Severity> {
  const map = new Map<string, Severity>();
  for (const list of lists)
    for (const severity of SEVERITIES) for (const word of list[severity].split(' ').filter(Boolean)) map.set(word, severity);
  return map;
}

const header = lookUp(HEADER_WORDS);
const marked = lookUp(HEADER_WORDS, MARKED_WORDS);
const field = lookUp(HEADER_WORDS, MARKED_WORDS, FIELD_WORDS);

/** Longest word of the vocabulary: anything longer is no level. */
const LONGEST = 13;

/** A level as a bare word of a header; null for all other words. Case is the caller's business. */
export const headerWord = (word: string): Severity | null => (word.length > LONGEST ? null : (header.get(word.toLowerCase()) ?? null));

/** A level in brackets or before a colon, in any case. */
export const markedWord = (word: string): Severity | null => (word.length > LONGEST ? null : (marked.get(word.toLowerCase()) ?? null));

const LETTERS: Record<string, Severity> = {
  F: 'fatal',
  C: 'fatal',
  A: 'fatal',
  S: 'fatal',
  E: 'error',
  W: 'warning',
  N: 'notice',
  I: 'info',
  D: 'debug',
  V: 'trace',
  T: 'trace',
};

/** A level of one capital letter, as klog, logcat, Ruby and others write it (logcat's S and A: silent and assert). */
export const letterLevel = (letter: string): Severity | null => LETTERS[letter] ?? null;

const SYSLOG: Severity[] = ['fatal', 'fatal', 'fatal', 'error', 'warning', 'notice', 'info', 'debug'];

/** Numerical severity of syslog (RFC 5424, table 2), 0–7; as PRI the low three bits count. */
export const syslogLevel = (number: number): Severity => SYSLOG[number & 7] as Severity;

type Scale = readonly (readonly [number, Severity])[];
const PINO: Scale = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warning'],
  [30, 'info'],
  [20, 'debug'],
  [0, 'trace'],
];
const PYTHON: Scale = [
  [50, 'fatal'],
  [40, 'error'],
  [30, 'warning'],
  [20, 'info'],
  [10, 'debug'],
  [0, 'trace'],
];
const OTEL: Scale = [
  [21, 'fatal'],
  [17, 'error'],
  [13, 'warning'],
  [9, 'info'],
  [5, 'debug'],
  [1, 'trace'],
];
const MONOLOG: Scale = [
  [500, 'fatal'],
  [400, 'error'],
  [300, 'warning'],
  [250, 'notice'],
  [200, 'info'],
  [0, 'debug'],
];
const LOG4J: Scale = [
  [50_000, 'fatal'],
  [40_000, 'error'],
  [30_000, 'warning'],
  [20_000, 'info'],
  [10_000, 'debug'],
  [0, 'trace'],
];
const JUL: Scale = [
  [1000, 'error'],
  [900, 'warning'],
  [800, 'info'],
  [500, 'debug'],
  [0, 'trace'],
];

const on = (scale: Scale, number: number): Severity | null => scale.find(([from]) => number >= from)?.[1] ?? null;

/** Whose numbers a field holds: what its name says, or `any` for a plain `level`, which the size of the number tells. */
export type NumberKind = 'any' | 'syslog' | 'python' | 'otlp' | 'java';

/**
 * A level given as a number: syslog 0–7, pino and bunyan 10–60, Monolog 100–600, log4j 5,000–50,000; by name of the field also Python's
 * `levelno`, OpenTelemetry's 1–24 and java.util.logging's 300–1,000.
 */
export function numberLevel(number: number, kind: NumberKind): Severity | null {
  if (!Number.isFinite(number) || number < 0) return null;
  return KINDS[kind](number);
}

const KINDS: Record<NumberKind, (number: number) => Severity | null> = {
  any: bySize,
  syslog: (number) => (number <= 7 ? syslogLevel(number) : on(PINO, number)),
  python: (number) => on(PYTHON, number),
  otlp: (number) => on(OTEL, number),
  java: (number) => on(number <= 1000 ? JUL : LOG4J, number),
};

function bySize(number: number): Severity | null {
  if (number <= 7) return syslogLevel(number);
  if (number < 10) return null;
  if (number < 100) return on(PINO, number);
  return on(number < 1000 ? MONOLOG : LOG4J, number);
}

/** The value of a field that states a level: a word in any case, a letter, or a number, also as text. */
export function fieldLevel(value: unknown, kind: NumberKind = 'any'): Severity | null {
  if (typeof value === 'number') return numberLevel(value, kind);
  if (typeof value !== 'string' || value.length > 24) return null;
  const word = value.trim().toLowerCase();
  if (/^\d+$/.test(word)) return numberLevel(Number(word), kind);
  const known = field.get(word);
  if (known) return known;
  const last = /([a-z]+)\d?$/.exec(word)?.[1];
  return last ? (marked.get(last) ?? null) : null;
}
