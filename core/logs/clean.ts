const ESC = String.fromCharCode(0x1b);
const CSI = String.fromCharCode(0x9b);
const BEL = String.fromCharCode(0x07);

/** Escape sequences of terminals: CSI (colours, cursor), OSC (titles, links), strings, and those of two characters. */
const ANSI = new RegExp(
  [
    `(?:${ESC}\\[|${CSI})[0-?]*[ -/]*[@-~]`,
    `${ESC}\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)`,
    `${ESC}[PX^_][^${ESC}]*${ESC}\\\\`,
    `${ESC}[ -/]*[0-~]`,
  ].join('|'),
  'g',
);

/**
 * A line as a person sees it: without terminal sequences, byte order mark and the carriage return of its end; NUL, which PostgreSQL cannot
 * store, as U+FFFD. Everything else stays.
 */
export function cleanLine(text: string): string {
  let line = text.endsWith('\r') ? text.slice(0, -1) : text;
  if (line.includes(ESC) || line.includes(CSI)) line = line.replace(ANSI, '');
  if (line.includes('\0')) line = line.replaceAll('\0', '\uFFFD');
  return line.startsWith('\uFEFF') ? line.slice(1) : line;
}
