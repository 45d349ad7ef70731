import fc from 'fast-check';
import type { NumberedLine, Segment } from '../../../core/logs/segment.ts';
import { MOST_LINES, Segmenter } from '../../../core/logs/segmenter.ts';
import { TemplateMiner } from '../../../core/logs/template-miner.ts';
import { TRACES } from './traces.ts';

const numbered = (text: string, i: number): NumberedLine => ({ number: i + 1, text, stream: null, time: null, name: null });

function segment(lines: readonly (string | NumberedLine)[], segmenter = new Segmenter()): Segment[] {
  const ended = lines.map((line, i) => segmenter.push(typeof line === 'string' ? numbered(line, i) : line));
  return [...ended.filter((one) => one !== null), ...segmenter.flush()];
}
const exported = (segments: readonly Segment[]): string => segments.map(({ content }) => content).join('\n');
const brief = (segments: readonly Segment[]) =>
  segments.map(({ line_number, line_count, severity }) => `${line_number}+${line_count} ${severity}`);

describe('traces of 40 lines', () => {
  test.each(Object.entries(TRACES))('%s: one segment, exported as 40 lines', (_language, { before, trace, after, severity }) => {
    const lines = trace.split('\n');
    expect(lines).toHaveLength(40);
    const segments = segment([before, ...lines, after]);
    expect(brief(segments)).toEqual(['1+1 info', `2+40 ${severity}`, '42+1 info']);
    expect(segments[1]?.content).toBe(trace);
    expect(exported(segments).split('\n')).toEqual([before, ...lines, after]);
  });
});

describe('entries of several lines', () => {
  test.each<[string, string, string[]]>([
    [
      'a logged Java exception belongs to its entry',
      '2024-01-01 00:00:00,000 WARN [x] a.B - m\njava.io.IOException: x\n\tat a.b(C.java:1)\nCaused by: y.Z: q\n\t... 2 more',
      ['1+5 warning'],
    ],
    [
      'a logged Python traceback belongs to its entry',
      'ERROR:root:m\nTraceback (most recent call last):\n  File "x", line 1\nValueError: y\nINFO:root:z',
      ['1+4 error', '5+1 info'],
    ],
    [
      'a crash after an entry of no importance is its own',
      'INFO:root:m\nTraceback (most recent call last):\n  File "x", line 1\nValueError: y',
      ['1+1 info', '2+3 error'],
    ],
    [
      'java.util.logging takes two lines',
      'Jan 01, 2024 12:00:00 AM a.B c\nWARNING: error\nJan 01, 2024 12:00:01 AM a.B c\nSEVERE: m',
      ['1+2 warning', '3+2 error'],
    ],
    [
      "PostgreSQL's DETAIL and STATEMENT belong to the error",
      '2024-01-01 00:00:00 UTC [1] ERROR:  x\n2024-01-01 00:00:00 UTC [1] DETAIL:  y\n2024-01-01 00:00:00 UTC [1] STATEMENT:  z\n2024-01-01 00:00:00 UTC [1] LOG:  ok',
      ['1+3 error', '4+1 info'],
    ],
    ['.NET indents the message', 'info: A.B[14]\n      error\nfail: X.Y[1]\n      x', ['1+2 info', '3+2 error']],
    ['pretty-printed JSON stays together', '{\n  "a": [\n    1\n  ]\n}\nnext', ['1+5 info', '6+1 info']],
    [
      'frames that zap prints below its entry',
      '2024-01-01T00:00:00.000Z\tERROR\tx\tm\nmain.foo\n\t/a.go:1\nmain.main\n\t/a.go:2\n2024-01-01T00:00:00.000Z\tINFO\tx\tok',
      ['1+5 error', '6+1 info'],
    ],
    ['plain lines are each their own', 'a\nb\nc', ['1+1 info', '2+1 info', '3+1 info']],
    ['a blank line belongs to what precedes it', 'a\n\nb', ['1+2 info', '3+1 info']],
    ['nothing but a blank line', '', ['1+1 info']],
  ])('%s', (_name, text, expected) => {
    const segments = segment(text.split('\n'));
    expect(brief(segments)).toEqual(expected);
    expect(exported(segments)).toBe(text);
  });

  test('a line without a header within 50 ms belongs to the entry before, a later one does not', () => {
    const at = (time: number, text: string, number: number): NumberedLine => ({ number, text, stream: 'stdout', time, name: null });
    const entry = '2024-01-01 00:00:00 ERROR query failed:';
    expect(brief(segment([at(1_000, entry, 1), at(1_010, 'SELECT 1', 2), at(1_020, 'FROM x', 3)]))).toEqual(['1+3 error']);
    expect(brief(segment([at(1_000, entry, 1), at(1_100, 'SELECT 1', 2)]))).toEqual(['1+1 error', '2+1 info']);
  });

  test('streams and containers never mix in one entry', () => {
    const lines: NumberedLine[] = [
      { number: 1, text: 'java.lang.X: boom', stream: 'stderr', time: null, name: null },
      { number: 2, text: 'hello', stream: 'stdout', time: null, name: null },
      { number: 3, text: '\tat a.b(C.java:1)', stream: 'stderr', time: null, name: null },
      { number: 4, text: '  indented', stream: 'stdout', time: null, name: 'other' },
    ];
    const found = segment(lines).sort((a, b) => a.line_number - b.line_number);
    expect(found.map(({ content }) => content)).toEqual(['java.lang.X: boom\n\tat a.b(C.java:1)', 'hello', '  indented']);
  });

  test('what goes on beyond the limit is further segments of the same severity; no line is lost', () => {
    const lines = ['2024-01-01 00:00:00 ERROR x', ...Array.from({ length: 2_500 }, (_, i) => `\tat a.b(C.java:${i})`)];
    const segments = segment(lines);
    expect(segments.map(({ line_count, severity, cut }) => ({ line_count, severity, cut }))).toEqual([
      { line_count: MOST_LINES, severity: 'error', cut: false },
      { line_count: MOST_LINES, severity: 'error', cut: true },
      { line_count: 501, severity: 'error', cut: true },
    ]);
    expect(exported(segments)).toBe(lines.join('\n'));
  });

  test('a line of a megabyte stays whole', () => {
    const line = `2024-01-01 00:00:00 ERROR ${'x'.repeat(1_048_576)}`;
    const segments = segment([line, 'next']);
    expect(segments[0]?.content).toBe(line);
    expect(segments).toHaveLength(2);
  });

  test('colours, NUL and a carriage return at the end are cleaned away and change no level', () => {
    const [only] = segment(['\u001b[31mERROR\u001b[0m a\0b\r']);
    expect(only).toMatchObject({ content: 'ERROR a\uFFFDb', severity: 'error', detect_source: 'header' });
  });
});

/** What cleaning changes is left out: here nothing may change. */
const CLEANED = '\r\n\0\u001b\u009b\uFEFF';

const piece = fc.constantFrom(
  '2024-01-01 00:00:00 ERROR x',
  '2024-01-01 00:00:00 INFO [t] a.B: y',
  '\tat a.b(C.java:1)',
  'java.lang.X: boom',
  'Caused by: y',
  'Traceback (most recent call last):',
  '  File "x", line 1',
  'ValueError: x',
  'panic: x',
  'goroutine 1 [running]:',
  'main.main()',
  '/a.js:1',
  'Error: x',
  '    at z (a.js:1:1)',
  '}',
  '',
  ' ',
  'hello',
  '{"level":"error","msg":"x"}',
  'Jan 01, 2024 12:00:00 AM a.B c',
  'WARNING: x',
);

test('whatever comes: each line is in exactly one segment, in order, and exporting gives the text back', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { minLength: 1, maxLength: 60 }), (texts) => {
      const lines = texts.map((text) => [...text].filter((char) => !CLEANED.includes(char)).join(''));
      const segments = segment(lines);
      expect(exported(segments)).toBe(lines.join('\n'));
      expect(segments.reduce((sum, { line_count }) => sum + line_count, 0)).toBe(lines.length);
      let next = 1;
      for (const { line_number, line_count } of segments) {
        expect(line_number).toBe(next);
        next += line_count;
      }
    }),
    { numRuns: 500 },
  );
});

test('a segmenter that takes over where another stopped gives the same segments', () => {
  fc.assert(
    fc.property(fc.array(piece, { minLength: 2, maxLength: 40 }), fc.nat(40), (texts, cut) => {
      const lines = texts.map(numbered);
      const first = new Segmenter();
      const before = lines.slice(0, cut).map((line) => first.push(line));
      const second = new Segmenter();
      second.restore(JSON.parse(JSON.stringify(first.pending())));
      const after = lines.slice(cut).map((line) => second.push(line));
      const taken = [...before, ...after].filter((one) => one !== null);
      expect([...taken, ...second.flush()]).toEqual(segment(texts));
    }),
    { numRuns: 300 },
  );
});

test('templates: values vary, words stay', () => {
  const miner = new TemplateMiner();
  const texts = [
    'Received block blk_1 of size 67 from 10.0.0.1:50010',
    'Received block blk_-22 of size 9 from 10.0.0.2:1',
    'Deleting block blk_3 file /a/b',
  ];
  const clusters = segment(texts, new Segmenter({ miner })).map(({ template }) => template);
  expect(clusters.map((cluster) => cluster?.tokens.join(' '))).toEqual([
    'Received block <*> of size <*> from <*>',
    'Received block <*> of size <*> from <*>',
    'Deleting block <*> file /a/b',
  ]);
  expect(clusters[0]).toBe(clusters[1]);
});
