import fc from 'fast-check';
import { cleanLine } from '../../../core/logs/clean.ts';
import { looksComposed, type Transport, unwrapLine } from '../../../core/logs/transport.ts';

describe('carriers', () => {
  test.each<[string, string, Transport, object]>([
    [
      'json-file',
      '{"log":"ERROR x\\n","stream":"stderr","time":"2024-01-01T00:00:00.123456789Z"}',
      'auto',
      { text: 'ERROR x', stream: 'stderr', time: Date.UTC(2024, 0, 1, 0, 0, 0, 123), partial: false },
    ],
    [
      'a part of a long line in json-file',
      '{"log":"abc","stream":"stdout","time":"2024-01-01T00:00:00Z"}',
      'auto',
      { text: 'abc', partial: true },
    ],
    [
      "an application's own JSON is no json-file",
      '{"log":"x","level":"error"}',
      'auto',
      { text: '{"log":"x","level":"error"}', time: null },
    ],
    [
      'CRI',
      '2024-01-01T00:00:00.123456789+01:00 stderr F  INFO x',
      'auto',
      { text: ' INFO x', stream: 'stderr', time: Date.UTC(2023, 11, 31, 23, 0, 0, 123), partial: false },
    ],
    ['a part of a line in CRI', '2024-01-01T00:00:00Z stdout P abc', 'auto', { text: 'abc', partial: true }],
    ['an empty line in CRI', '2024-01-01T00:00:00Z stdout F', 'auto', { text: '', partial: false }],
    ['compose', 'web-1  | ERROR x', 'compose', { text: 'ERROR x', source: 'web-1' }],
    ['compose is never guessed from one line', 'web-1  | ERROR x', 'auto', { text: 'web-1  | ERROR x', source: null }],
    [
      'plain takes everything as it is',
      '{"log":"x\\n","stream":"stdout","time":"2024-01-01T00:00:00Z"}',
      'plain',
      { stream: null, partial: false },
    ],
  ])('%s', (...[, line, transport, expected]) => expect(unwrapLine(line, transport)).toMatchObject(expected));

  test('compose prefixes are recognised when nearly all lines have them, columns of a format are not', () => {
    expect(looksComposed(['web-1  | a', 'db-1   | b', '', 'web-1  |'])).toBe(true);
    expect(looksComposed(['web-1  | a', 'b', 'c'])).toBe(false);
    expect(looksComposed(['INFO     | a', 'ERROR    | b'])).toBe(false);
    expect(looksComposed(['2024-01-01 00:00:00 | INFO | x'])).toBe(false);
    expect(looksComposed([])).toBe(false);
  });

  test('any line survives any carrier', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom<Transport>('auto', 'plain', 'json-file', 'cri', 'compose'), (line, transport) => {
        expect(typeof unwrapLine(line, transport).text).toBe('string');
      }),
    );
  });
});

describe('clean-up', () => {
  test.each([
    ['colours', '\u001b[1;31mERROR\u001b[0m x', 'ERROR x'],
    ['titles and links', '\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b', 'ab'],
    ['cursor movements', 'a\u001b[2K\u001b[1Gb', 'ab'],
    ['8-bit sequences', 'a\u009b31mb', 'ab'],
    ['NUL', 'a\0b', 'a\uFFFDb'],
    ['carriage return', 'a\r', 'a'],
    ['byte order mark', '\uFEFFa', 'a'],
    ['tabs and other text stay', '\ta ü 中 \u0001', '\ta ü 中 \u0001'],
  ])('%s', (_name, line, expected) => expect(cleanLine(line)).toBe(expected));

  test('a sequence that never ends takes no time to speak of', () => {
    const started = performance.now();
    cleanLine(`\u001b]${'x'.repeat(200_000)}`);
    cleanLine(`\u001b[${'0;'.repeat(100_000)}`);
    cleanLine('\u001b'.repeat(50_000));
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
