import fc from 'fast-check';
import { SEVERITIES } from '../../../core/logs/levels.ts';
import { type LineContext, parseLine } from '../../../core/logs/parse-line.ts';
import { FORMAT_CASES } from './format-cases.ts';

const context: LineContext = { clock: { reference: Date.UTC(2024, 0, 2) }, stream: null };
const ANY = 'any component';
const MISLEADING = ' - ERROR: failed, FATAL exception';

describe.each(Object.entries(FORMAT_CASES))('%s', (_name, cases) => {
  test.each(cases.map(([severity, source, text, component = ANY]) => ({ severity, source, text, component })))(
    '$severity by $source: $text',
    ({ text, ...expected }) => {
      const { severity, source, component } = parseLine(text, context);
      expect({ severity, source, component: expected.component === ANY ? ANY : component }).toEqual(expected);
    },
  );
});

const stated = Object.values(FORMAT_CASES)
  .flat()
  .filter(([, source, text]) => (source === 'header' || source === 'status') && !text.startsWith('{') && !text.endsWith('==='));

test.each(stated)('misleading words at the end change nothing: %s by %s: %s', (severity, _source, text) => {
  expect(parseLine(text + MISLEADING, context).severity).toBe(severity);
});

test('any text is understood as something, never as an error of ours', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 300 }), fc.json()), (text) => {
      expect(SEVERITIES).toContain(parseLine(text, context).severity);
    }),
    { numRuns: 2_000 },
  );
});

test('a level in a JSON field is found whatever else the object holds', () => {
  const others = fc.dictionary(
    fc.string().filter((name) => !/lev|lvl|sev|^@?l$|prio|^s$|@t/i.test(name) && name !== '__proto__'),
    fc.jsonValue({ maxDepth: 1 }),
  );
  fc.assert(
    fc.property(others, fc.constantFrom('error', 'ERROR', 'Error', 'err'), (object, level) => {
      expect(parseLine(JSON.stringify({ ...object, level }), context)).toMatchObject({ severity: 'error', source: 'field' });
    }),
  );
});

test.each([
  ['brackets', '['.repeat(100_000)],
  ['quotes', '"GET '.repeat(50_000)],
  ['escapes', `"${'\\'.repeat(100_000)}`],
  ['pairs', 'a="'.repeat(50_000)],
  ['digits', '1'.repeat(200_000)],
  ['names', 'a.b.'.repeat(50_000)],
  ['syslog data', `<14>1 - - - - - ${'['.repeat(50_000)}`],
  ['blanks', ' '.repeat(200_000)],
  ['dashes', '- '.repeat(100_000)],
  ['words', 'errors: '.repeat(50_000)],
  ['status', `2024-01-01 00:00:00 x GET ${'500 '.repeat(50_000)}`],
  ['bars', '| 500 '.repeat(50_000)],
])('a hostile line of %s takes no time to speak of', (_name, text) => {
  const started = performance.now();
  parseLine(text, context);
  parseLine(`2024-01-01 00:00:00 ERROR ${text}`, context);
  expect(performance.now() - started).toBeLessThan(2_000);
});
