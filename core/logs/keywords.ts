import type { Severity } from './levels.ts';

/** Lines with which a crash begins or ends, whatever wrote them. */
const SHAPES: readonly (readonly [RegExp, Severity])[] = [
  [/^Traceback \(most recent call last\):/, 'error'],
  [/^\s*\+ Exception Group Traceback/, 'error'],
  [/^Exception in thread "/, 'error'],
  [/^(?:Unhandled exception|Uncaught|UnhandledPromiseRejection|\(node:\d+\) Unhandled)/, 'error'],
  [/^(?:[\w$]+\.)*[\w$]*(?:Exception|Error|Throwable|Failure)(?::|$| \()/, 'error'],
  [/^(?:Caused by|Suppressed): /, 'error'],
  [/^panic: /, 'fatal'],
  [/^fatal error: /, 'fatal'],
  [/^thread '.*' (?:\(\d+\) )?panicked at /, 'fatal'],
  [/^goroutine \d+ \[/, 'error'],
  [/^\*\* \([\w.]+\) /, 'error'],
  [/^=(?:CRASH|ERROR) REPORT=/, 'error'],
  [/^PHP (?:Fatal|Parse|Recoverable fatal) error:/, 'error'],
  [/^PHP (?:Warning|Deprecated):/, 'warning'],
  [/^PHP Notice:/, 'notice'],
  [/^Segmentation fault\b/, 'fatal'],
  [/^\[FAILED\] /, 'error'],
  [/^\[ERROR\]/, 'error'],
];
const SHAPE_HINT = /^(?:[A-Zpfgt*=\s[(]|[\w$]+\.)/;

/** How a crash begins, else null. */
export function shapeSeverity(text: string): Severity | null {
  if (!SHAPE_HINT.test(text)) return null;
  const head = text.length > 300 ? text.slice(0, 300) : text;
  return SHAPES.find(([pattern]) => pattern.test(head))?.[1] ?? null;
}

/** A word counts only where it stands by itself: not inside a path, a URL, a file name, a field or a constant. */
const alone = (words: string): RegExp => new RegExp(`(?<![\\w/.=|&?@$%-])(?:${words})(?![\\w/=|&@-]|\\.\\w)`, 'i');

const FATAL = alone('fatal|panic(?:ked)?|emergency|segmentation fault|segfault|kernel panic|out of memory|core dumped');
const ERROR = alone(
  "errors?|exceptions?|critical|severe|fail(?:s|ed|ure|ures|ing)?|crash(?:ed|es)?|abort(?:ed|ing)?|corrupt(?:ed|ion)?|cannot|can't|could not|couldn't|unable to|unrecoverable|uncaught|unhandled",
);
const WARNING = alone(
  'warn(?:ing|ings)?|deprecat(?:ed|ion)|retry(?:ing)?|timed? ?out|time-?out|refused|denied|invalid|illegal|unauthori[sz]ed|forbidden|unreachable|degraded|throttl(?:ed|ing)|not found|no such|disconnect(?:ed)?|nearly full|possible break-in attempt',
);
const DEBUG = alone('debug(?:ging)?|trace|verbose');

/** Phrases that hold such a word and mean that all is well. */
const HARMLESS =
  /\b(?:no|0|zero|without|any|not an?|non|ignor(?:e|ed|ing)|suppress(?:ed)?|clear(?:ed)?|recovered from|handled?) (?:\w+ )?(?:errors?|exceptions?|failures?|warnings?|failed|fatal|crash(?:es)?)\b|\b(?:errors?|exceptions?|failures?|failed|warnings?)(?: (?:count|rate|total))?(?: is| are| was|:|=)? ?(?:0|none|null|nil|false|no)\b(?!\.\d*[1-9])|\b(?:error|exception|failure|warning)[ -](?:handl(?:er|ing)|report(?:er|ing)|log(?:ger|ging)?|page|level|threshold|rate|budget|free|recovery|correction|codes?)\b/gi;

/** Failed logins are somebody else's failure. */
const LOGIN = /\b(?:auth(?:entication|orization)?|password|login|logon|publickey|preauth|credentials?|pam|kex|identification)\b/i;

const HINT =
  /err|fail|fatal|panic|excep|crit|warn|deprec|retr|time|refus|deni|inval|illeg|unauth|forbid|unreach|degrad|throttl|not f|no such|nearly|abort|crash|corrupt|cannot|can't|could|unab|unrec|uncau|unhand|severe|emerg|segm|segf|memory|dump|disconn|possible|debug|trace|verbose/i;

/** Only the beginning is looked at: in a long text some word is always found. */
const LOOKED_AT = 2_000;

function ofWords(text: string): Severity | null {
  const rest = text.replace(HARMLESS, ' ');
  if (FATAL.test(rest)) return 'fatal';
  if (ERROR.test(rest)) return LOGIN.test(rest) && !/\b(?:errors?|exceptions?|critical)\b/i.test(rest) ? 'warning' : 'error';
  if (WARNING.test(rest)) return 'warning';
  return DEBUG.test(rest) ? 'debug' : null;
}

/** What the words of a text suggest, where nothing states a level. The last resort, and known as such by its `detect_source`. */
export function keywordSeverity(text: string): Severity | null {
  const head = text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text;
  return HINT.test(head) ? ofWords(head) : null;
}
