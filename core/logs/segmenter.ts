import { cleanLine } from './clean.ts';
import { type Severity, typeOfSeverity } from './levels.ts';
import { type DetectSource, type ParsedLine, parseLine } from './parse-line.ts';
import type { NumberedLine, Segment } from './segment.ts';
import type { TemplateMiner } from './template-miner.ts';
import { isContinuation, isGoFrame, type TraceKind, traceGoesOn, traceStart } from './traces.ts';

/** Largest entry: what goes on beyond is a further segment of the same severity. A single longer line stays whole. */
export const MOST_LINES = 1_000;
export const MOST_BYTES = 262_144;
/** Entries that may be open at once, and what they may hold: names come from the log itself. Beyond that the oldest ends. */
export const MOST_OPEN = 1_000;
export const MOST_OPEN_BYTES = 16 * 1024 * 1024;
/** What a line is to a trace stands at its beginning; the rest of a longer one is not looked at, which bounds what a hostile line costs. */
const LOOKED_AT = 2_000;
/** A line without a header this soon after one with is its continuation: programs write an entry at once. */
const TOGETHER_MS = 50;

/** An entry that may still grow. Plain data, so that it can be kept while its process is away. */
export type OpenEntry = {
  key: string;
  first: NumberedLine;
  lines: string[];
  bytes: number;
  parsed: ParsedLine;
  trace: TraceKind | null;
  last_time: number | null;
  cut: boolean;
};

export type SegmenterOptions = {
  /** An instant near the lines' own, for stamps without a year; where the carrier gives times, those serve. */
  reference: number | null;
  /** Finds templates; null: none are wanted. */
  miner: TemplateMiner | null;
};

const keyOf = (line: NumberedLine): string => `${line.name ?? ''}|${line.stream ?? ''}`;
const WORST: readonly Severity[] = ['warning', 'error', 'fatal'];
const UNSTATED: readonly DetectSource[] = ['keyword', 'stream', 'default'];
const isBlank = (text: string): boolean => text.trim() === '';
const headOf = (text: string): string => (text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text);
const isIndented = (text: string): boolean => text.startsWith(' ') || text.startsWith('\t');

/**
 * Makes entries of lines, one open entry per stream and container. Lines that belong together (traces, indented text, PostgreSQL's DETAIL, a
 * line without a header within 50 ms) become one segment. The same lines give the same segments, however they are handed over. Pure.
 */
export class Segmenter {
  private readonly options: SegmenterOptions;
  /** In the order in which they began. */
  private readonly open = new Map<string, OpenEntry>();
  private held = 0;

  constructor(options: Partial<SegmenterOptions> = {}) {
    this.options = { reference: null, miner: null, ...options };
  }

  /** Takes a line. @returns the entry that it ended, if it did */
  push(line: NumberedLine): Segment | null {
    return this.take(line) ?? this.relieve();
  }

  private take(line: NumberedLine): Segment | null {
    const text = cleanLine(line.text);
    const key = keyOf(line);
    const entry = this.open.get(key);
    if (entry && isBlank(text) && !full(entry, text)) return this.grow(entry, { line, text });
    const parsed = this.parse(text, line);
    if (!entry || !belongs(entry, { line, text, parsed })) return this.begin(key, { line, text, parsed });
    if (!full(entry, text)) return this.grow(entry, { line, text });
    return this.begin(key, { line, text, parsed: entry.parsed }, entry.trace);
  }

  /** Ends all open entries, or those whose last line came before `silent_since` (carrier's clock or the caller's). */
  flush(silent_since = Number.POSITIVE_INFINITY): Segment[] {
    const ended = [...this.open.values()].filter((entry) => (entry.last_time ?? Number.NEGATIVE_INFINITY) < silent_since);
    for (const entry of ended) this.forget(entry);
    return ended.sort((a, b) => a.first.number - b.first.number).map((entry) => this.close(entry));
  }

  /** The entries that may still grow; with `restore` another segmenter goes on where this one stands. */
  pending(): OpenEntry[] {
    return [...this.open.values()];
  }

  restore(entries: readonly OpenEntry[]): void {
    for (const entry of entries) this.hold(entry);
  }

  private hold(entry: OpenEntry): void {
    this.open.set(entry.key, entry);
    this.held += entry.bytes;
  }

  private forget(entry: OpenEntry): void {
    if (this.open.delete(entry.key)) this.held -= entry.bytes;
  }

  /** Ends the oldest entry when there are too many. */
  private relieve(): Segment | null {
    if (this.open.size < 2 || (this.open.size <= MOST_OPEN && this.held <= MOST_OPEN_BYTES)) return null;
    const [oldest] = this.open.values() as Iterable<OpenEntry> as [OpenEntry];
    this.forget(oldest);
    return this.close(oldest);
  }

  private grow(entry: OpenEntry, added: Pick<Line, 'line' | 'text'>): null {
    const before = entry.bytes;
    grow(entry, added);
    this.held += entry.bytes - before;
    return null;
  }

  private parse(text: string, { time, stream }: NumberedLine): ParsedLine {
    return parseLine(text, { clock: { reference: time ?? this.options.reference }, stream });
  }

  private begin(key: string, { line, text, parsed }: Line, cutFrom?: TraceKind | null): Segment | null {
    const before = this.open.get(key);
    const trace = cutFrom === undefined ? traceStart(headOf(text)) : cutFrom;
    const cut = cutFrom !== undefined;
    if (before) this.forget(before);
    this.hold({ key, first: line, lines: [text], bytes: text.length, parsed, trace, last_time: line.time, cut });
    return before ? this.close(before) : null;
  }

  private close(entry: OpenEntry): Segment {
    const { first, parsed, lines, cut } = entry;
    const { severity, source } = verdict(entry);
    return {
      line_number: first.number,
      line_count: lines.length,
      content: lines.length === 1 ? (lines[0] as string) : lines.join('\n'),
      severity,
      segment_type: typeOfSeverity(severity),
      detect_source: source,
      component: parsed.component,
      time: parsed.time ?? first.time,
      carrier_time: first.time,
      stream: first.stream,
      name: first.name,
      format: parsed.format,
      status: parsed.status,
      cut,
      template: cut ? null : (this.options.miner?.add(parsed.message === '' ? (lines[1] ?? '').trim() : parsed.message) ?? null),
    };
  }
}

type Line = { line: NumberedLine; text: string; parsed: ParsedLine };

function grow(entry: OpenEntry, { line, text }: Pick<Line, 'line' | 'text'>): void {
  entry.trace ??= isIndented(text) || isBlank(text) ? null : (traceStart(headOf(text)) ?? (isGoFrame(text) ? 'go' : null));
  if (entry.parsed.awaits) takeOver(entry, text);
  entry.lines.push(text);
  entry.bytes += text.length + 1;
  entry.last_time = line.time ?? entry.last_time;
}

/** The second line of java.util.logging has the level and the message; the first has time and class. */
function takeOver(entry: OpenEntry, text: string): void {
  const second = parseLine(text, { clock: { reference: null }, stream: null });
  entry.parsed = {
    ...second,
    time: entry.parsed.time,
    component: second.component ?? entry.parsed.component,
    format: 'jul',
    stamped: true,
    awaits: false,
  };
}

const full = (entry: OpenEntry, text: string): boolean => entry.lines.length >= MOST_LINES || entry.bytes + text.length > MOST_BYTES;

/** Whether a line belongs to the open entry. Order matters: what begins an entry by its header never continues one. */
function belongs(entry: OpenEntry, added: Line): boolean {
  const { line, text, parsed } = added;
  if (entry.parsed.awaits) return parsed.source === 'header' && !parsed.stamped;
  if (parsed.continues) return entry.parsed.format === parsed.format;
  if (parsed.stamped && !isTraceLine(entry, text)) return false;
  const head = headOf(text);
  if (isContinuation(head) || goesOn(entry, head) || startsBelow(entry, text)) return true;
  return !statesItsOwn(parsed) && isTogether(entry, line);
}

const statesItsOwn = ({ headed, source, format }: ParsedLine): boolean => headed && source !== 'keyword' && format !== 'plain';

const goesOn = ({ trace, lines }: OpenEntry, text: string): boolean => trace !== null && traceGoesOn(trace, text, lines.at(-1) as string);

/** Within a trace even a line that could pass for a header belongs to it while it is indented. */
const isTraceLine = (entry: OpenEntry, text: string): boolean => entry.trace !== null && isIndented(text);

/** A trace below the entry that reports it: loggers write it there. A crash after an entry of no importance is its own. */
function startsBelow(entry: OpenEntry, text: string): boolean {
  const { parsed, trace, lines } = entry;
  if (trace || !parsed.headed || parsed.format === 'plain') return false;
  const below = traceStart(headOf(text));
  if (below === 'java') return !text.startsWith('Exception in thread');
  if (!WORST.includes(parsed.severity)) return false;
  if (below === 'go') return text.startsWith('goroutine ');
  return below !== null || (parsed.severity !== 'warning' && lines.length === 1 && isGoFrame(text));
}

function isTogether(entry: OpenEntry, line: NumberedLine): boolean {
  if (line.time === null || entry.last_time === null || !entry.parsed.stamped) return false;
  return line.time - entry.last_time <= TOGETHER_MS;
}

/** What the entry states counts; where it states nothing, a trace in it makes it an error. */
function verdict({ parsed, trace, cut }: OpenEntry): { severity: Severity; source: DetectSource } {
  const { severity, source } = parsed;
  if (cut || !trace || !UNSTATED.includes(source) || severity === 'error' || severity === 'fatal') return { severity, source };
  return { severity: 'error', source: 'keyword' };
}
