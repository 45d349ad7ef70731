/** Longest piece of a line in bytes; a longer line is cut into pieces of at most this size. */
export const MAX_LINE_BYTES = 65_536;

const LF = 0x0a;
const CR = 0x0d;

/**
 * One line without its newline, or a part of one. `continues`: the next piece belongs to the same line, so joining pieces
 * without a separator after a continuing one gives the line back.
 */
export type RawPiece = { bytes: Buffer; continues: boolean };
export type LinePiece = { text: string; continues: boolean };
type Splitter<T> = { push(chunk: Uint8Array): T[]; flush(): T[] };

/** Bytes as text that PostgreSQL can store: invalid UTF-8 and NUL become U+FFFD. */
export const textOf = (bytes: Buffer): string => bytes.toString('utf8').replaceAll('\0', '\uFFFD');

/** Where a run of `bytes` longer than `max` is cut: at `max`, or up to three bytes earlier so that no UTF-8 character is torn. */
function cutAt(bytes: Uint8Array, max: number): number {
  for (let at = max; at > max - 4 && at > 0; at--) if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at;
  return max;
}

function nextBreak(chunk: Buffer, from: number): number {
  const lf = chunk.indexOf(LF, from);
  const end = lf === -1 ? chunk.length : lf;
  const cr = chunk.subarray(from, end).indexOf(CR);
  return cr === -1 ? lf : from + cr;
}

/** Holds the unfinished line of one stream; `swallow` remembers that a CR just ended a line, so that an LF behind it ends no second one. */
class RawSplitter implements Splitter<RawPiece> {
  private readonly max: number;
  private held: Buffer[] = [];
  private size = 0;
  private swallow = false;

  constructor(max: number) {
    this.max = max;
  }

  push(input: Uint8Array): RawPiece[] {
    const chunk = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    const out: RawPiece[] = [];
    let from = 0;
    while (from < chunk.length) {
      const at = nextBreak(chunk, from);
      const end = at === -1 ? chunk.length : at;
      if (end > from) this.hold(chunk.subarray(from, end), out);
      if (at !== -1) this.endLine(chunk[at] === CR, out);
      from = end + 1;
    }
    this.keepOwn(chunk);
    return out;
  }

  flush(): RawPiece[] {
    this.swallow = false;
    return this.size > 0 ? [{ bytes: this.take(), continues: false }] : [];
  }

  /** The caller may reuse its buffer: what is held of this chunk (always the last part) is copied. Many small parts are joined, so tiny chunks stay cheap. */
  private keepOwn(chunk: Buffer): void {
    const last = this.held.at(-1);
    if (!last) return;
    if (last.buffer === chunk.buffer) this.held[this.held.length - 1] = Buffer.from(last);
    if (this.held.length >= 1024) this.held = [Buffer.concat(this.held, this.size)];
  }

  private hold(part: Buffer, out: RawPiece[]): void {
    this.swallow = false;
    this.held.push(part);
    this.size += part.length;
    if (this.size > this.max) this.cut(out);
  }

  private cut(out: RawPiece[]): void {
    let all = this.take();
    while (all.length > this.max) {
      const at = cutAt(all, this.max);
      out.push({ bytes: all.subarray(0, at), continues: true });
      all = all.subarray(at);
    }
    this.held = [all];
    this.size = all.length;
  }

  private endLine(isCr: boolean, out: RawPiece[]): void {
    if (isCr) {
      if (this.size === 0) return;
      out.push({ bytes: this.take(), continues: false });
      this.swallow = true;
    } else {
      if (!this.swallow) out.push({ bytes: this.take(), continues: false });
      this.swallow = false;
    }
  }

  private take(): Buffer {
    const [first] = this.held;
    const bytes = first && this.held.length === 1 ? first : Buffer.concat(this.held, this.size);
    this.held = [];
    this.size = 0;
    return bytes;
  }
}

/**
 * Splits one stream of bytes into raw lines; the same pieces come out however the bytes were chunked.
 * LF and CRLF end a line. A lone CR ends one too, so each state of a progress bar is a line of its own, seen at once and never lost; a CR at the start of a line adds none.
 * A line over `max` bytes comes as several pieces, cut between characters, all but the last marked `continues`.
 * `flush` gives the last line when it has no newline.
 */
export const createRawSplitter = (max: number = MAX_LINE_BYTES): Splitter<RawPiece> => new RawSplitter(max);

/** As `createRawSplitter`, decoded: UTF-8 across chunks, invalid bytes and NUL as U+FFFD. */
export function createLineSplitter(max: number = MAX_LINE_BYTES): Splitter<LinePiece> {
  const raw = createRawSplitter(max);
  const decode = ({ bytes, continues }: RawPiece): LinePiece => ({ text: textOf(bytes), continues });
  return { push: (chunk) => raw.push(chunk).map(decode), flush: () => raw.flush().map(decode) };
}
