import { GAPS, isDigit, isLetter, isUpper, OPENERS } from './characters.ts';
import { readBracket } from './header-bracket.ts';
import { headerWord, letterLevel, markedWord, type Severity } from './levels.ts';
import { readPairs } from './logfmt.ts';
import { type Clock, readStamp } from './time.ts';

/**
 * What the beginning of a line says. `by`: how the level is stated, null without one. `end`: where the message, or the rest of the header after
 * the level, begins. `tag`: a name with a colon that stands before the message, or a name found on the way. `continues`: it says more of the line before it (PostgreSQL's DETAIL).
 */
export type Header = {
  severity: Severity | null;
  by: 'header' | 'field' | null;
  time: number | null;
  stamped: boolean;
  end: number;
  tag: string | null;
  message: string | null;
  status: number | null;
  pairs: number;
  postgres: boolean;
  continues: boolean;
};

const MOST_ATOMS = 18;
const FARTHEST = 500;
const SPACE = 32;
const TAB = 9;

/** PostgreSQL's words before two blanks; null: more of the message before. */
const POSTGRES = new Map<string, Severity | null>([
  ['LOG', 'info'],
  ['PANIC', 'fatal'],
  ['DETAIL', null],
  ['HINT', null],
  ['CONTEXT', null],
  ['STATEMENT', null],
  ['QUERY', null],
  ['LOCATION', null],
]);
const POSTGRES_OWN = /(?:DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|FATAL): {2}\S/y;
const HOST_AND_TAG = /[\w.-]+ (?:[\w./()-]+(?:\[\d+\])?: )/y;
const CISCO = /%[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*-([0-7])-[A-Z0-9_]+:/y;
const CHANNEL = /^[\w-]+\.([A-Z]+):$/;
const NAME = /^[A-Za-z_][\w.$/-]*$/;
const KEY = /[A-Za-z_@][\w.@/-]*=/y;

/** Reads the header of a line atom by atom: stamps, brackets, names and separators, until a level is found or the prose begins. */
class HeaderScan {
  private readonly text: string;
  private readonly clock: Clock;
  readonly found: Header = {
    severity: null,
    by: null,
    time: null,
    stamped: false,
    end: 0,
    tag: null,
    message: null,
    status: null,
    pairs: 0,
    postgres: false,
    continues: false,
  };
  /** Nothing but separators has been read since the last stamp or the beginning. */
  private fresh = true;
  /** The atom before ended with a colon or a bracket: what follows may be a level in small letters. */
  private after_mark = true;
  private tagged = false;
  private host_due = false;

  constructor(text: string, clock: Clock) {
    this.text = text;
    this.clock = clock;
  }

  run(): Header {
    let at = 0;
    for (let atoms = 0; atoms < MOST_ATOMS && at < FARTHEST; atoms++) {
      at = this.skipGaps(at);
      if (at >= this.text.length) break;
      const next = this.atom(at);
      if (next < 0) break;
      at = next;
      this.found.end = at;
      if (this.found.by) break;
    }
    if (this.found.by === 'header' && !this.found.stamped) this.stampBehind();
    return this.found;
  }

  /** Some put the level first, and the stamp behind it or behind the thread's name in brackets. */
  private stampBehind(): void {
    let at = this.skipGaps(this.found.end);
    if (this.text[at] === '[') {
      const bracket = readBracket(this.text, at, this.clock);
      if (!bracket) return;
      if (bracket.stamped) this.noteStamp(bracket.time);
      at = this.skipGaps(bracket.end);
    }
    const end = this.found.stamped ? null : this.stamp(at);
    if (end !== null) this.found.end = end;
  }

  private skipGaps(from: number): number {
    let at = from;
    while (at < this.text.length && GAPS.has(this.text.charCodeAt(at))) at++;
    return at;
  }

  private atom(at: number): number {
    const code = this.text.charCodeAt(at);
    if (OPENERS.has(code)) return this.bracket(at);
    if (isDigit(code)) return this.stamp(at) ?? this.column(at);
    if (isLetter(code)) return this.word(at);
    if (code === 37) return this.cisco(at);
    return -1;
  }

  private stamp(at: number): number | null {
    const stamp = readStamp(this.text, at, this.clock);
    if (!stamp) return null;
    this.noteStamp(stamp.time);
    this.host_due = stamp.kind === 'syslog';
    return stamp.end;
  }

  private noteStamp(time: number | null): void {
    this.found.stamped = true;
    this.found.time ??= time;
    this.fresh = true;
    this.after_mark = true;
    this.tagged = false;
  }

  private bracket(at: number): number {
    const read = readBracket(this.text, at, this.clock);
    if (!read) return -1;
    if (read.stamped) this.noteStamp(read.time);
    if (read.severity) this.level(read.severity, 'header');
    if (read.name) this.found.tag ??= read.name;
    this.after_mark = true;
    return read.end;
  }

  private cisco(at: number): number {
    CISCO.lastIndex = at;
    const match = CISCO.exec(this.text);
    if (!match) return -1;
    this.level((['fatal', 'fatal', 'fatal', 'error', 'warning', 'notice', 'info', 'debug'] as const)[Number(match[1])] ?? 'info', 'header');
    return CISCO.lastIndex;
  }

  private level(severity: Severity, by: 'header' | 'field'): void {
    this.found.severity = severity;
    this.found.by = by;
  }

  private word(at: number): number {
    const stamp = this.stamp(at);
    if (stamp !== null) return stamp;
    let end = at + 1;
    while (end < this.text.length && (isLetter(this.text.charCodeAt(end)) || isDigit(this.text.charCodeAt(end)))) end++;
    return this.levelAt(at, end) ?? this.pairsAt(at) ?? this.column(at);
  }

  /** The level that the word states by its place and case, or null. */
  private levelAt(at: number, end: number): number | null {
    const word = this.text.slice(at, end);
    const postgres = this.postgresAt(word, at, end);
    if (postgres !== null) return postgres;
    const severity = this.severityOf(word, end);
    if (!severity) return null;
    this.level(severity, 'header');
    return end;
  }

  private postgresAt(word: string, at: number, end: number): number | null {
    if (!this.text.startsWith(':  ', end)) return null;
    const own = POSTGRES.get(word);
    POSTGRES_OWN.lastIndex = at;
    if (own === undefined && !POSTGRES_OWN.test(this.text)) return null;
    this.found.postgres = true;
    if (own === undefined) return null;
    this.level(own ?? 'info', 'header');
    this.found.continues = own === null;
    return end + 1;
  }

  private severityOf(word: string, end: number): Severity | null {
    const next = end < this.text.length ? this.text.charCodeAt(end) : SPACE;
    if (word.length === 1) return this.letter(word, next);
    if (isUpper(word.charCodeAt(0)) && word === word.toUpperCase()) return this.upper(word, next);
    return this.marked(word, next, end);
  }

  /** `E/Tag`, `I | pkg`, `W> text`, or a letter between blanks after a stamp. */
  private letter(word: string, next: number): Severity | null {
    const mark = next === 47 || next === 62 || (next === SPACE && this.text.charCodeAt(this.skipBlanks(word)) === 124);
    return this.found.stamped && (mark || next === SPACE || next === TAB) ? letterLevel(word) : null;
  }

  private skipBlanks(word: string): number {
    let at = this.found.end + word.length;
    while (this.text.charCodeAt(at) === SPACE) at++;
    return at;
  }

  private upper(word: string, next: number): Severity | null {
    const boundary = next === SPACE || next === TAB || ':|],/[!;>*('.includes(String.fromCharCode(next));
    if (!boundary) return null;
    if (headerWord(word)) return headerWord(word);
    return next === 58 ? markedWord(word) : null;
  }

  /** In small letters a word is a level before a colon, as the first word after a stamp, and where it fills a column. */
  private marked(word: string, next: number, end: number): Severity | null {
    if (next === 58) return this.after_mark && !this.text.startsWith('//', end + 1) ? markedWord(word) : null;
    if (!this.found.stamped || this.tagged) return null;
    return (this.fresh && next === SPACE) || this.fillsColumn(next, end) ? headerWord(word) : null;
  }

  private fillsColumn(next: number, end: number): boolean {
    return next === TAB || next === 124 || next === 93 || /^(?: {2}| [-|]\s)/.test(this.text.slice(end, end + 3));
  }

  /** `key=value` pairs: a level among them is stated; without one they are passed over. */
  private pairsAt(at: number): number | null {
    KEY.lastIndex = at;
    if (!KEY.test(this.text)) return null;
    const pairs = readPairs(this.text, at, this.clock);
    if (pairs.count === 0) return null;
    this.found.pairs += pairs.count;
    this.found.time ??= pairs.time;
    if (pairs.time !== null) this.found.stamped = true;
    this.found.tag = pairs.component ?? this.found.tag;
    this.found.message = pairs.message;
    this.found.status = pairs.status;
    if (pairs.severity) this.level(pairs.severity, 'field');
    this.fresh = false;
    return pairs.end;
  }

  /** A word that is no level: a column of the header is passed over, prose ends the search. */
  private column(at: number): number {
    let end = at;
    while (end < this.text.length && !' \t|'.includes(this.text[end] as string)) end++;
    const token = this.text.slice(at, end);
    const channel = CHANNEL.exec(token)?.[1];
    if (channel && markedWord(channel)) return this.channel(token, channel, end);
    if (token.endsWith(':')) return this.tag(token, end);
    if (!this.isColumn(token, at, end)) return -1;
    this.fresh = false;
    this.after_mark = token.endsWith(']');
    if (this.found.stamped && NAME.test(token) && /^ +[-|] /.test(this.text.slice(end, end + 12))) this.found.tag ??= token;
    return end;
  }

  private channel(token: string, word: string, end: number): number {
    this.level(markedWord(word) as Severity, 'header');
    this.found.tag = token.slice(0, -word.length - 2);
    return end;
  }

  private tag(token: string, end: number): number {
    if (this.tagged) return -1;
    this.tagged = true;
    this.fresh = false;
    this.after_mark = true;
    this.host_due = false;
    this.found.tag = token.slice(0, -1).replace(/\[\d+\]$/, '');
    return end;
  }

  private isColumn(token: string, at: number, end: number): boolean {
    if (this.tagged) return false;
    if (/[\d._/$@=[\]()<>{}-]/.test(token) || token === token.toUpperCase() || /[a-z][A-Z]/.test(token)) return true;
    if (this.host_due || this.isHost(at)) {
      this.host_due = false;
      return true;
    }
    return this.found.stamped && /^(?:\t| +[-|] )/.test(this.text.slice(end, end + 12));
  }

  private isHost(at: number): boolean {
    if (!this.found.stamped) return false;
    HOST_AND_TAG.lastIndex = at;
    return HOST_AND_TAG.test(this.text);
  }
}

/** Reads where a line's header states time and level, whoever laid it out. A level that it states beats every word of the message. */
export function readHeader(text: string, clock: Clock): Header {
  return new HeaderScan(text, clock).run();
}
