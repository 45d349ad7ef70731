import { headerWord, letterLevel, markedWord, type Severity } from './levels.ts';
import { type Clock, readStamp, type Stamp } from './time.ts';

/** What stands in brackets: a stamp, a level, both or a name. `end` is behind the closing bracket. */
export type Bracket = { end: number; time: number | null; stamped: boolean; severity: Severity | null; name: string | null };

const CLOSERS: Record<string, string> = { '[': ']', '(': ')', '<': '>', '{': '}' };
const LONGEST = 240;
/** Apache's `core:error`, `ssl:warn`. */
const PAIR = /^([\w.-]+)[:|]([A-Za-z]+\d?)$/;
/** Jupyter's and Tornado's `I 12:34:56.789 Name`, Ruby's `E`. */
const LETTER_FIRST = /^([A-Z])(?:\s+(?=\d)|$)/;
/** env_logger's and Celery's name behind the level. */
const BEHIND_LEVEL = /^[A-Za-z]+[\s/:]+([A-Za-z_][\w:.$/-]*)$/;

function closingAt(text: string, at: number): number {
  const open = text[at] as string;
  const close = CLOSERS[open] as string;
  let depth = 0;
  for (let i = at; i < text.length && i < at + LONGEST; i++) {
    if (text[i] === open) depth++;
    else if (text[i] === close && --depth === 0) return i;
  }
  return -1;
}

/** A level that is the whole content, in any case; or one at either end of it in capitals. */
function severityIn(inside: string, afterStamp: boolean): Severity | null {
  const whole = markedWord(inside);
  if (whole) return whole;
  const pair = PAIR.exec(inside);
  if (pair) return markedWord(pair[2] as string);
  const parts = inside.split(/[\s:|,/]+/, 8).filter(Boolean);
  for (const part of new Set([parts[0], parts.at(-1)])) {
    const severity = part && (afterStamp || part === part.toUpperCase()) ? headerWord(part) : null;
    if (severity) return severity;
  }
  return null;
}

const nameIn = (inside: string): string | null =>
  /^[A-Za-z_][\w.$/-]*[._$/-][\w.$/-]*$/.test(inside) ? inside : (PAIR.exec(inside)?.[1] ?? null);

/** Reads the bracket that opens at `at`; null when it does not close within reach, or begins a JSON value. */
export function readBracket(text: string, at: number, clock: Clock): Bracket | null {
  if (text.startsWith('{"', at)) return null;
  const close = closingAt(text, at);
  if (close === -1) return null;
  const inside = text.slice(at + 1, close).trim();
  const first = LETTER_FIRST.exec(inside);
  const stamp = readStamp(inside, first ? first[0].length : 0, clock);
  const lettered = first && (stamp || inside.length === 1) ? letterLevel(first[1] as string) : null;
  const end = close + 1;
  return stamp ? { end, ...behindStamp(inside, stamp, lettered) } : { end, ...unstamped(inside, lettered) };
}

const unstamped = (inside: string, lettered: Severity | null): Omit<Bracket, 'end'> => ({
  time: null,
  stamped: false,
  severity: lettered ?? severityIn(inside, false),
  name: nameIn(inside),
});

function behindStamp(inside: string, { end, time }: Stamp, lettered: Severity | null): Omit<Bracket, 'end'> {
  const rest = inside.slice(end).replace(/^[\s:,|-]+/, '');
  const severity = lettered ?? (rest ? severityIn(rest, true) : null);
  return { time, stamped: true, severity, name: severity ? (BEHIND_LEVEL.exec(rest)?.[1] ?? null) : null };
}
