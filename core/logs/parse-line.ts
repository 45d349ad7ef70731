import { componentAfter, tidyComponent } from './component.ts';
import { recognise } from './formats.ts';
import { type Header, readHeader } from './header.ts';
import { type JsonFacts, readJson } from './json-line.ts';
import { keywordSeverity, shapeSeverity } from './keywords.ts';
import type { Severity } from './levels.ts';
import { nameFormat } from './name-format.ts';
import { readStatus, statusSeverity } from './status.ts';
import type { Clock } from './time.ts';

/**
 * By what the severity was found, surest first: a field of a structured line, a word of the header, an HTTP status, words of the text or the
 * shape of a crash, the stream, or nothing at all (`default`: counts as info, and says so).
 */
export const DETECT_SOURCES = ['field', 'header', 'status', 'keyword', 'stream', 'default'] as const;
export type DetectSource = (typeof DETECT_SOURCES)[number];
export type Stream = 'stdout' | 'stderr';

/**
 * One line understood. `time`: milliseconds since 1970, null: the line names no instant. `message`: the line without its header.
 * `headed`: it begins an entry by itself. `continues`: by its format it says more of the entry before. `awaits`: by its format the next line belongs to it.
 */
export type ParsedLine = {
  format: string;
  severity: Severity;
  source: DetectSource;
  component: string | null;
  time: number | null;
  message: string;
  headed: boolean;
  stamped: boolean;
  continues: boolean;
  awaits: boolean;
  status: number | null;
};

/** What is known of a line beside its text. */
export type LineContext = { clock: Clock; stream: Stream | null };

const line = (facts: Partial<ParsedLine> & Pick<ParsedLine, 'format' | 'severity' | 'source' | 'message'>): ParsedLine => ({
  component: null,
  time: null,
  headed: true,
  stamped: false,
  continues: false,
  awaits: false,
  status: null,
  ...facts,
});

/** What is not JSON says what it is at its beginning; the rest of a longer line is not looked at. */
const LOOKED_AT = 8_192;
const headOf = (text: string): string => (text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text);

/** java.util.logging writes two lines: this, then `LEVEL: message`. */
const JUL = /^[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M ([\w.$]+)(?: [\w$<>]+)?$/;

/** Level of a text that states none: HTTP status, shape of a crash, words, stream; else info. */
function guess(whole: string, stream: Stream | null): { severity: Severity; source: DetectSource; status: number | null } {
  const text = headOf(whole);
  const status = readStatus(text);
  if (status !== null) return { severity: statusSeverity(status), source: 'status', status };
  const words = shapeSeverity(text) ?? keywordSeverity(text);
  if (words) return { severity: words, source: 'keyword', status };
  return stream === 'stderr' ? { severity: 'notice', source: 'stream', status } : { severity: 'info', source: 'default', status };
}

/** A JSON object without a level: what its message states as a line of its own, else its status, its error field, the words of its message. */
function judgeJson(facts: JsonFacts, context: LineContext): Pick<ParsedLine, 'severity' | 'source'> {
  if (facts.severity) return { severity: facts.severity, source: 'field' };
  const inner = facts.message && !facts.message.startsWith('{') ? readHeader(headOf(facts.message), context.clock) : null;
  if (inner?.severity) return { severity: inner.severity, source: inner.by ?? 'header' };
  if (facts.status !== null) return { severity: statusSeverity(facts.status), source: 'status' };
  if (facts.failed) return { severity: 'error', source: 'keyword' };
  const { severity, source } = guess(facts.message ?? '', context.stream);
  return { severity, source };
}

function ofJson(text: string, from: number, context: LineContext): ParsedLine | null {
  const facts = readJson(from === 0 ? text : text.slice(from), context.clock);
  if (!facts) return null;
  const { time, component, message, status } = facts;
  return line({
    format: 'json',
    ...judgeJson(facts, context),
    time,
    component: tidyComponent(component),
    message: message ?? text.slice(from),
    stamped: time !== null,
    status,
  });
}

function ofHeader(text: string, header: Header, severity: Severity): ParsedLine {
  const named = header.by === 'header' && header.tag === null ? componentAfter(text, header.end) : null;
  const end = named?.end ?? header.end;
  return line({
    format: header.postgres ? 'postgres' : nameFormat(text, header),
    severity,
    source: header.by ?? 'header',
    component: tidyComponent(named?.component ?? header.tag),
    time: header.time,
    message: header.message ?? messageFrom(text, end),
    stamped: header.stamped,
    continues: header.continues,
    status: header.status,
  });
}

function messageFrom(text: string, end: number): string {
  let at = end;
  while (at < text.length && ' \t:|-]>,'.includes(text[at] as string)) at++;
  return text.slice(at);
}

/** A JSON value behind a stamp or a program's name. */
function jsonBehind(text: string, header: Header, context: LineContext): ParsedLine | null {
  const at = text.endsWith('}') ? text.indexOf('{"', header.end) : -1;
  const inner = at !== -1 && at <= header.end + 4 ? ofJson(text, at, context) : null;
  if (!inner) return null;
  const { time, tag, stamped } = header;
  return { ...inner, time: time ?? inner.time, component: inner.component ?? tidyComponent(tag), stamped };
}

/** No stated level; still, the header may give time and name, and the line may report an HTTP request. */
function withoutLevel(text: string, header: Header, context: LineContext): ParsedLine {
  const { stamped, tag, time, pairs } = header;
  const found = header.status === null ? guess(text, context.stream) : statusOnly(header.status);
  const headed = stamped || found.status !== null || pairs > 1;
  return line({
    format: headed ? nameFormat(text, { ...header, status: found.status }) : 'plain',
    ...found,
    component: tidyComponent(tag),
    time,
    message: stamped || tag ? messageFrom(text, header.end) : text,
    headed,
    stamped,
    awaits: JUL.test(text),
  });
}

const statusOnly = (status: number) => ({ severity: statusSeverity(status), source: 'status' as const, status });

/** A format with a grammar of its own; behind syslog's PRI the message may name the program and more. */
function ofGrammar(text: string, context: LineContext): ParsedLine | null {
  const found = recognise(text, context.clock);
  if (!found?.severity) return null;
  return line({
    format: found.format,
    severity: found.severity,
    source: 'header',
    component: tidyComponent(found.component),
    time: found.time,
    message: text.slice(found.end),
    stamped: found.time !== null,
  });
}

/**
 * Understands one line, already cleaned of colours and line ends. A level that the line states, in a field or its header, always beats the
 * words of its text. Never throws: what is in no known format is `plain`.
 */
export function parseLine(text: string, context: LineContext): ParsedLine {
  if (text.charCodeAt(0) === 123) {
    const json = ofJson(text, 0, context);
    if (json) return json;
  }
  const head = headOf(text);
  const grammar = ofGrammar(head, context);
  if (grammar) return grammar;
  const header = readHeader(head, context.clock);
  if (header.severity) return ofHeader(head, header, header.severity);
  return jsonBehind(text, header, context) ?? withoutLevel(head, header, context);
}
