import fc from 'fast-check';
import { createLineSplitter, createRawSplitter, type LinePiece } from '../../core/lines.ts';

function split(chunks: Uint8Array[], max?: number): LinePiece[] {
  const splitter = createLineSplitter(max);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.flush()];
}
const texts = (input: string | Buffer, max?: number): string[] => split([Buffer.from(input as string)], max).map((piece) => piece.text);

function chunked(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

describe('line splitter', () => {
  test.each<[string, string, string[]]>([
    ['LF ends a line', 'a\nb\n', ['a', 'b']],
    ['CRLF is one newline', 'a\r\nb\r\n', ['a', 'b']],
    ['blank lines stay, also with CRLF', 'a\n\n\r\n\r\nb', ['a', '', '', '', 'b']],
    ['each state of a progress bar is a line', '\r10%\r20%\r30%\n', ['10%', '20%', '30%']],
    ['CR CR LF is one newline', 'a\r\r\nb\n', ['a', 'b']],
    ['a last line without newline is flushed', 'a\nb', ['a', 'b']],
    ['NUL is replaced', 'a\0b\n', ['a\uFFFDb']],
    ['nothing gives nothing', '', []],
  ])('%s', (_name, input, expected) => expect(texts(input)).toEqual(expected));

  test('invalid UTF-8 is replaced and the rest kept', () => {
    expect(texts(Buffer.from([0x61, 0xff, 0x62, 0x0a]))).toEqual(['a\uFFFDb']);
  });

  test('a line is given out as soon as its CR arrives, and the LF of the next chunk adds none', () => {
    const splitter = createLineSplitter();
    expect(splitter.push(Buffer.from('a\r'))).toEqual([{ text: 'a', continues: false }]);
    expect(splitter.push(Buffer.from('\nb\n'))).toEqual([{ text: 'b', continues: false }]);
  });

  test('a long line is cut between characters, without loss, and says that it continues', () => {
    const line = 'ä€😀x'.repeat(30_000);
    const pieces = split([Buffer.from(`${line}\nnext\n`)]);
    expect(pieces.slice(0, -2).every((piece) => piece.continues && Buffer.byteLength(piece.text) <= 65_536)).toBe(true);
    expect(
      pieces
        .slice(0, -1)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(line);
    expect(pieces.slice(-2).map((piece) => piece.continues)).toEqual([false, false]);
  });

  test('a line of exactly the limit is one piece', () => {
    expect(split([Buffer.from(`${'x'.repeat(65_536)}\n`)])).toHaveLength(1);
  });

  test('a megabyte in chunks of one byte is split in time proportional to its size', () => {
    const splitter = createRawSplitter();
    let pieces = 0;
    for (let i = 0; i < 1_000_000; i++) pieces += splitter.push(Buffer.from('x')).length;
    expect(pieces).toBe(15);
  }, 10_000);

  test('any chunking of any bytes gives the same lines', () => {
    const byte = fc.constantFrom(0x0a, 0x0d, 0x00, 0x61, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xff);
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 80 }),
        fc.array(fc.nat(80), { maxLength: 20 }),
        fc.integer({ min: 4, max: 20 }),
        (list, cuts, max) => {
          const bytes = Uint8Array.from(list);
          expect(split(chunked(bytes, cuts), max)).toEqual(split([bytes], max));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('joined lines equal ordinary text', () => {
    const line = fc
      .string({ unit: 'grapheme' })
      .map((s) => s.replace(/[\r\n\0]/g, ''))
      .filter((s) => s.isWellFormed());
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(500)), fc.integer({ min: 8, max: 100 }), (lines, cuts, max) => {
        const text = lines.map((l) => `${l}\n`).join('');
        const pieces = split(chunked(Buffer.from(text), cuts), max);
        expect(pieces.map((piece) => piece.text + (piece.continues ? '' : '\n')).join('')).toBe(text);
      }),
    );
  });
});
