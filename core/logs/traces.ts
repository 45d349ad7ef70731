/** Languages whose traces have lines that would not be recognised by themselves. */
export type TraceKind = 'java' | 'python' | 'go' | 'node' | 'report' | 'other';

/** Lines that are never the first of anything. */
const CONTINUES =
  /^(?:at [\w.$<>[\]/ ]+\(|\.{3} \d+ (?:more|common frames omitted)|Caused by: |Suppressed: |--- End of |Stack trace:|stack backtrace:|note: run with `RUST_BACKTRACE|\[stacktrace\]|#\d+ |\*\*\* End|exit status \d+$|During handling of the above exception|The above exception was the direct cause|Emitted 'error' event|Wrapped by:|\(Use `node )/;
const CLOSERS = /^[\])}]+[;,]?$/;

const JAVA_EXCEPTION = /^(?:[a-z_$][\w$]*\.)+[A-Z_$][\w$]*(?:Exception|Error|Throwable|Failure|Fault)?(?::|$)/;
const PYTHON_START = /^(?:Traceback \(most recent call last\):|\s*\+ Exception Group Traceback)/;
const EXCEPTION_NAME =
  /^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Group|Iteration|Failure|Timeout)?(?::|$| \[)/;
const GO_START = /^(?:panic: |fatal error: |goroutine \d+ \[|SIG[A-Z]+: )/;
const GO_LINE =
  /^(?:goroutine \d+ |created by |\[signal |exit status |panic: |rax|r\w{1,5} +0x|\S[^\s(]*\(.*\)$|\.\.\.additional frames|runtime[:.]|(?:[\w.*]*[/-])*[\w.*]?[\w*]*\.[\w.()*]+$|main\.)/;
const NODE_START =
  /^(?:(?:\/|file:\/\/|[A-Z]:\\|node:)[^ ]*:\d+$|(?:Uncaught |Unhandled )?(?:[A-Z]\w*)?(?:Error|Exception|TypeError)(?: \[\w+\])?(?::|$))/;
const NODE_LINE = /^(?:(?:Uncaught )?[A-Z]\w*(?:Error|Exception)?(?: \[\w+\])?: |Node\.js v\d|\^|throw |\}|\[cause\])/;
/** Erlang's reports end with a blank line. */
const REPORT_START = /^=[A-Z]+ REPORT==/;
const OTHER_START =
  /^(?:Exception in thread "|Unhandled exception|thread '.*' (?:\(\d+\) )?panicked at |\*\* \([\w.]+\) |PHP Fatal error: |Fatal error: |[^`']+:\d+:in [`'].*: )/;

/** The kind of trace that a line begins, or null. */
export function traceStart(text: string): TraceKind | null {
  if (PYTHON_START.test(text)) return 'python';
  if (REPORT_START.test(text)) return 'report';
  if (GO_START.test(text)) return 'go';
  if (OTHER_START.test(text)) return text.startsWith('Exception in thread') ? 'java' : 'other';
  if (JAVA_EXCEPTION.test(text)) return 'java';
  return NODE_START.test(text) ? 'node' : null;
}

const indented = (text: string): boolean => text.charCodeAt(0) === 32 || text.charCodeAt(0) === 9;

/** Whether a line goes on with the entry before it whatever that was: indented, or of a shape that begins nothing. */
export const isContinuation = (text: string): boolean => indented(text) || CONTINUES.test(text) || CLOSERS.test(text);

const LONGEST_FRAME = 300;

/** A Go frame as zap prints it below its entry: a function's name alone, whose file and line follow indented. */
export const isGoFrame = (text: string): boolean =>
  text.length <= LONGEST_FRAME && text.includes('.') && /^[\w./*-]+(?:\.\(?\*?[\w]+\)?)+(?:\(.*\))?$/.test(text);

/** What a trace of each kind goes on with beside what always continues. `last`: the line before. */
const GOES_ON: Record<TraceKind, (text: string, last: string) => boolean> = {
  java: (text) => JAVA_EXCEPTION.test(text),
  python: (text, last) => (PYTHON_START.test(text) ? last.trim() === '' || !indented(last) : indented(last) && EXCEPTION_NAME.test(text)),
  go: (text) => GO_LINE.test(text),
  node: (text, last) => NODE_LINE.test(text) || (last.trim() === '' && NODE_START.test(text)),
  report: (_text, last) => last.trim() !== '',
  other: (text, last) => text.startsWith('note: ') || (last.endsWith(':') && last.includes('panicked at ')) || text === '#0',
};

/** Whether a line belongs to the trace that is open. */
export const traceGoesOn = (kind: TraceKind, text: string, last: string): boolean => GOES_ON[kind](text, last);
