import type { Stream } from './parse-line.ts';
import { readStamp } from './time.ts';

/**
 * One piece of output as its carrier delivered it. `time`: when the carrier saw it, milliseconds since 1970. `source`: the container that a compose prefix
 * names. `partial`: the line goes on in the next piece of the same stream.
 */
export type Piece = { text: string; stream: Stream | null; time: number | null; source: string | null; partial: boolean };

/** How output was carried: `auto` recognises json-file and CRI line by line, and compose prefixes when nearly all lines have them. */
export const TRANSPORTS = ['auto', 'plain', 'json-file', 'cri', 'compose'] as const;
export type Transport = (typeof TRANSPORTS)[number];

const JSON_FILE_FIELDS = new Set(['log', 'stream', 'attrs', 'time']);
const CRI = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF])(?::\S+)? ?/;
const COMPOSE = /^([A-Za-z0-9][\w.-]*) +\| ?/;
const NO_ZONE = { reference: null };

const plain = (text: string): Piece => ({ text, stream: null, time: null, source: null, partial: false });
const timeOf = (text: string | undefined): number | null => (text ? (readStamp(text, 0, NO_ZONE)?.time ?? null) : null);

/** Told by its fields, not by a pattern: one that walks a line of 8 MB runs out of stack. */
const isJsonFile = (fields: { log: unknown; stream?: unknown; time?: unknown }): boolean =>
  typeof fields.log === 'string' &&
  (fields.stream === undefined || fields.stream === 'stdout' || fields.stream === 'stderr') &&
  (fields.time === undefined || typeof fields.time === 'string') &&
  Object.keys(fields).every((name) => JSON_FILE_FIELDS.has(name));

/** A line of Docker's json-file driver. A `log` without a newline at its end is a part of a line longer than 16 KB. */
function ofJsonFile(line: string): Piece | null {
  if (!line.startsWith('{"log":"') || !line.endsWith('}')) return null;
  try {
    const fields = JSON.parse(line) as { log: string; stream?: Stream; time?: string };
    if (!isJsonFile(fields)) return null;
    const { log, stream, time } = fields;
    const whole = log.endsWith('\n');
    return { text: whole ? log.slice(0, -1) : log, stream: stream ?? null, time: timeOf(time), source: null, partial: !whole };
  } catch {
    return null;
  }
}

/** A line of a CRI runtime (containerd, CRI-O): stamp, stream, P for a part or F for the end of a line. */
function ofCri(line: string): Piece | null {
  const match = CRI.exec(line);
  if (!match) return null;
  return {
    text: line.slice(match[0].length),
    stream: match[2] as Stream,
    time: timeOf(match[1]),
    source: null,
    partial: match[3] === 'P',
  };
}

function ofCompose(line: string): Piece | null {
  const match = COMPOSE.exec(line);
  return match ? { ...plain(line.slice(match[0].length)), source: match[1] as string } : null;
}

/** Words that begin lines of other formats with a bar behind them. */
const LEVEL = /^(?:trace|debug|info|notice|success|warn(?:ing)?|error|critical|fatal)$/i;

/** Whether the first lines carry compose prefixes: nine in ten must, and none of the names may be a level. */
export function looksComposed(lines: readonly string[]): boolean {
  const shown = lines.filter((line) => line.trim() !== '').slice(0, 50);
  const names = shown.map((line) => COMPOSE.exec(line)?.[1]).filter((name): name is string => name !== undefined);
  return names.length > 0 && names.length >= shown.length * 0.9 && !names.some((name) => LEVEL.test(name));
}

const READERS: Record<Exclude<Transport, 'auto'>, (line: string) => Piece | null> = {
  plain,
  'json-file': ofJsonFile,
  cri: ofCri,
  compose: ofCompose,
};

/** Takes one line out of its carrier. What is not as the carrier writes it is taken as it is. */
export function unwrapLine(line: string, transport: Transport): Piece {
  if (transport === 'auto') return ofJsonFile(line) ?? ofCri(line) ?? plain(line);
  return READERS[transport](line) ?? plain(line);
}
