/** Which part of a program wrote a line, as its header names it, and where the message begins behind that name. */
export type Named = { component: string | null; end: number };

const NAME = '[A-Za-z_][\\w.$/@<>~*-]*(?:::[\\w<>*.$-]+)*';
/** Behind the level: process number, Spring's dashes, threads in brackets. */
const LEAD = '[\\s:|\\]>-]*(?:\\d+ +)?(?:--- +)?';
const BRACKETS = '(?:(?:\\[[^\\[\\]]*(?:\\[[^\\[\\]]*\\][^\\[\\]]*)*\\]|\\([^()]*\\)) *(?:- )?)*';
const COLON = new RegExp(`${LEAD}${BRACKETS}(${NAME})(?:\\[\\d*\\])?(?:\\(\\d+\\))? ?(?::(?= |$)| - )`, 'y');
const BEFORE_BRACKET = new RegExp(`${LEAD}(${NAME}) (?=\\[)`, 'y');
const DOTTED = new RegExp(`${LEAD}${BRACKETS}([A-Za-z_][\\w$]*(?:\\.[\\w$]+)+)(?=[ \\t])`, 'y');
const COLUMN = new RegExp(`[\\t |\\]]+(${NAME})(?:\\t| {2,}|:\\w+(?::\\d+)? - )`, 'y');
const IN_BRACKETS = /[\s:|\]>-]*\[\s*([A-Za-z_][\w.$/-]*)\s*\]/y;
/** JBoss: the logger in brackets, the thread in parentheses. */
const BEFORE_THREAD = /[\s:|\]>-]*\[([\w.$]+\.[\w$]+)\] (?=\()/y;
const AT_SOURCE = /\[[^\]]*(?:\[[^\]]*\])?[^\]]*?:(\w+)@\d+\]/y;
/** Kafka's appender puts the logger last. */
const LAST = /\(([a-z][\w$]*(?:\.[\w$]+)+)\)$/i;

function match(pattern: RegExp, line: string, at: number): Named | null {
  pattern.lastIndex = at;
  const found = pattern.exec(line);
  return found ? { component: found[1] as string, end: pattern.lastIndex } : null;
}

function sourceIn(line: string, at: number): Named | null {
  const open = line.slice(at, at + 7).indexOf('[');
  return open === -1 ? null : match(AT_SOURCE, line, at + open);
}

function last(line: string, at: number): Named | null {
  if (!line.endsWith(')')) return null;
  const found = LAST.exec(line.slice(-120));
  return found ? { component: found[1] as string, end: at } : null;
}

/** Python's `LEVEL:logger:message`, and .NET's `level: Category[7]`, directly behind the level. */
const DIRECT = /:([A-Za-z_][\w.]*):(?!\/\/)|: ([A-Za-z_][\w.]*)\[\d+\](?= |$)/y;

function direct(line: string, at: number): Named | null {
  DIRECT.lastIndex = at;
  const found = DIRECT.exec(line);
  return found ? { component: (found[1] ?? found[2]) as string, end: DIRECT.lastIndex } : null;
}

/** A name stands near the level; what is farther away is not looked at, which bounds what a hostile line costs. */
const NEAR = 400;

/** Looks for a name behind the level; the rules in order of how sure they are. */
export function componentAfter(text: string, at: number): Named | null {
  const line = text.length > at + NEAR ? text.slice(0, at + NEAR) : text;
  return (
    direct(line, at) ??
    match(BEFORE_THREAD, line, at) ??
    match(COLON, line, at) ??
    sourceIn(line, at) ??
    last(text, at) ??
    match(BEFORE_BRACKET, line, at) ??
    match(DOTTED, line, at) ??
    match(COLUMN, line, at) ??
    match(IN_BRACKETS, line, at)
  );
}

/** A name without process number, brackets and padding; null when nothing is left, shortened to what a column holds. */
export function tidyComponent(name: string | null): string | null {
  if (!name) return null;
  const tidy = name
    .slice(0, NEAR)
    .replace(/\[[^\]]*\]$/, '')
    .replace(/\(\w+\)$/, '')
    .replace(/^[\s[(]+|[\s\])]+$/g, '');
  return tidy === '' ? null : tidy.slice(0, 200);
}
