import { LineReader, LONGEST_LINE, PartJoiner } from '../../../core/logs/line-reader.ts';
import type { NumberedLine } from '../../../core/logs/segment.ts';
import { MOST_OPEN, MOST_OPEN_BYTES, Segmenter } from '../../../core/logs/segmenter.ts';
import { TemplateMiner } from '../../../core/logs/template-miner.ts';

const numbered = (text: string, i: number): NumberedLine => ({ number: i + 1, text, stream: null, time: null, name: null });

/** Beginnings that bring a pattern to its costly part, and what it repeats there. */
const HEADS = [
  ...[
    '',
    'I/',
    'I/a',
    '01-01 00:00:00.000 1 1 I ',
    '=ERROR REPORT====',
    'INFO ',
    '2024-01-01 00:00:00 ERROR ',
    'INFO  [',
    '(',
    '"',
    '<13>1 ',
  ],
  ...['a=', "thread '", '** (', '127.0.0.1 - - [x] "GET ', 'GET ', 'haproxy " ', '2024-01-01 00:00:00 1.1.1.1 GET ', '/', 'at ', 'no '],
  ...['{"log":"', '{"log":"","attrs":{', '{"logger":"', '{"message":"'],
];
const PARTS = [
  ...['a', 'A', '1', ' ', 'a.', '.a', 'A.', '(', ')', '[', ']', '[]', '()', '[a]', ':', ':a', ': ', '=', '-', '--- ', '/', 'a/', '"', '\\'],
  ...[
    '" ',
    '<',
    '}',
    '},"time":"',
    ':1:in ` ',
    "' panicked at ",
    '|',
    '| 200 |',
    '_',
    '$',
    '*',
    '1 ',
    '1.',
    '1/',
    '200 ',
    'a=b ',
    'a="',
    '\t',
  ],
  ...['  a', ' - a', 'a-', 'error ', 'no error ', '\u001b[', '\u001b]', ':a@', 'a1', 'GET ', 'TCP_', '/a 1/1/1/1 ', 'a.a.a.', 'a1-', ']('],
];
/** Entries that are open when the line comes: each kind of trace asks other patterns. */
const BEFORE = [
  'ERROR: x',
  'goroutine 1 [running]:',
  'java.lang.X: a',
  'Traceback (most recent call last):',
  '/a.js:1',
  "a.rb:1:in `x': y",
];

/** Quick as the work is, the bound is a hundred times what it takes: a pattern that is quadratic in a line of this length takes far longer. */
test.each(HEADS)(
  'lines of 50 KB that begin with %j and repeat anything cost no more than their length',
  (head) => {
    const began = performance.now();
    for (const part of PARTS)
      for (const end of ['!', '(/']) {
        const line = head + part.repeat(50_000 / part.length) + end;
        const segmenter = new Segmenter({ miner: new TemplateMiner() });
        BEFORE.flatMap((before) => [before, line]).forEach((text, i) => void segmenter.push(numbered(text, i)));
        segmenter.flush();
      }
    expect(performance.now() - began).toBeLessThan(60_000);
  },
  120_000,
);

test('a key of a JSON line is looked at in its beginning only, and a field that names the component too', () => {
  const began = performance.now();
  const segmenter = new Segmenter();
  for (const part of ['[', ']', '(', ' '])
    segmenter.push(numbered(JSON.stringify({ level: 'info', logger: `${part.repeat(200_000)}x`, message: `${part.repeat(200_000)}x` }), 0));
  expect(performance.now() - began).toBeLessThan(10_000);
});

test('a line of the json-file driver as long as lines may be is taken out of its carrier', () => {
  const text = 'a'.repeat(LONGEST_LINE - 100);
  const reader = new LineReader('auto');
  const lines = reader.push(Buffer.from(`${JSON.stringify({ log: `${text}\n`, stream: 'stderr', time: '2026-01-01T00:00:00Z' })}\n`));
  expect([...lines, ...reader.flush()].map((line) => [line.text.length, line.stream])).toEqual([[text.length, 'stderr']]);
});

test('a new name on each line: the oldest entries end, none is lost, and another segmenter goes on the same', () => {
  const lines = Array.from({ length: 3 * MOST_OPEN }, (_, i) => ({ ...numbered(`ERROR ${i}`, i), name: `web-${i}` }));
  const first = new Segmenter();
  const ended = lines.slice(0, 2 * MOST_OPEN).map((line) => first.push(line));
  expect(first.pending()).toHaveLength(MOST_OPEN);
  const second = new Segmenter();
  second.restore(JSON.parse(JSON.stringify(first.pending())));
  ended.push(...lines.slice(2 * MOST_OPEN).map((line) => second.push(line)));
  expect(second.pending()).toHaveLength(MOST_OPEN);
  const all = [...ended.filter((one) => one !== null), ...second.flush()];
  expect(all.map(({ line_number, name }) => [line_number, name])).toEqual(lines.map(({ number, name }) => [number, name]));
});

test('few names with long lines: what is open is bounded in bytes too', () => {
  const segmenter = new Segmenter();
  for (let i = 0; i < 100; i++) segmenter.push({ ...numbered('x'.repeat(1_000_000), i), name: `web-${i}` });
  const held = segmenter.pending().reduce((sum, { bytes }) => sum + bytes, 0);
  expect(held).toBeLessThanOrEqual(MOST_OPEN_BYTES);
  expect(held).toBeGreaterThan(0);
});

test('a line that never ends is cut where the longest line is', () => {
  const joiner = new PartJoiner();
  const piece = { text: 'x'.repeat(1_048_576), stream: 'stdout' as const, time: 1, source: null, partial: true };
  const lines = Array.from({ length: 20 }, () => joiner.add(piece)).filter((line) => line !== null);
  expect(lines.map(({ text }) => text.length)).toEqual([LONGEST_LINE, LONGEST_LINE]);
  expect(joiner.flush().map(({ text }) => text.length)).toEqual([4 * 1_048_576]);
});
