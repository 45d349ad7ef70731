import { createLineSplitter } from '../lines.ts';
import type { NumberedLine } from './segment.ts';
import { looksComposed, type Piece, type Transport, unwrapLine } from './transport.ts';

/** Longest line that is kept whole, in bytes; a longer one is cut into several. */
export const LONGEST_LINE = 8 * 1024 * 1024;
/** Lines looked at before it is decided whether they carry compose prefixes. */
const SAMPLE = 50;

type Held = { text: string[]; length: number; time: number | null };

/** Puts parts of long lines together, stream by stream. A line that never ends is cut at the length of the longest. */
export class PartJoiner {
  private readonly held = new Map<string, Held>();

  /** The line that the piece completes, or null while it goes on. */
  add(piece: Piece): Omit<NumberedLine, 'number'> | null {
    const key = `${piece.source ?? ''}|${piece.stream ?? ''}`;
    const line = this.held.get(key) ?? { text: [], length: 0, time: piece.time };
    line.text.push(piece.text);
    line.length += piece.text.length;
    if (piece.partial && line.length < LONGEST_LINE) {
      this.held.set(key, line);
      return null;
    }
    this.held.delete(key);
    return { text: line.text.join(''), stream: piece.stream, time: line.time, name: piece.source };
  }

  /** What was never completed. */
  flush(): Omit<NumberedLine, 'number'>[] {
    const rest = [...this.held].map(([key, { text, time }]) => {
      const [source, stream] = key.split('|');
      return { text: text.join(''), stream: (stream || null) as NumberedLine['stream'], time, name: source || null };
    });
    this.held.clear();
    return rest;
  }
}

/** Bytes of a text as numbered lines, taken out of whatever carried them. The same lines come out however the bytes were chunked. */
export class LineReader {
  private readonly splitter = createLineSplitter(LONGEST_LINE);
  private readonly joiner = new PartJoiner();
  private readonly asked: Transport;
  private transport: Transport | null;
  private sample: string[] = [];
  private number = 0;

  constructor(transport: Transport) {
    this.asked = transport;
    this.transport = transport === 'auto' ? null : transport;
  }

  push(chunk: Uint8Array): NumberedLine[] {
    return this.decide(this.splitter.push(chunk).map(({ text }) => text));
  }

  flush(): NumberedLine[] {
    const lines = this.decide(this.splitter.flush().map(({ text }) => text));
    const held = this.transport === null ? this.settle() : [];
    return [...lines, ...held, ...this.joiner.flush().map((line) => this.numbered(line))];
  }

  private decide(lines: string[]): NumberedLine[] {
    if (this.transport !== null) return this.unwrap(lines, this.transport);
    for (const line of lines) this.sample.push(line);
    return this.sample.length >= SAMPLE ? this.settle() : [];
  }

  private settle(): NumberedLine[] {
    this.transport = looksComposed(this.sample.slice(0, SAMPLE)) ? 'compose' : this.asked;
    const lines = this.unwrap(this.sample, this.transport);
    this.sample = [];
    return lines;
  }

  private unwrap(lines: readonly string[], transport: Transport): NumberedLine[] {
    return lines.flatMap((line) => {
      const whole = this.joiner.add(unwrapLine(line, transport));
      return whole ? [this.numbered(whole)] : [];
    });
  }

  private numbered(line: Omit<NumberedLine, 'number'>): NumberedLine {
    this.number += 1;
    return { number: this.number, ...line };
  }
}
