import { fileExists, readPage, tableRows } from './pages.ts';

const LISTS: [string, number][] = [
  ['O', 16],
  ['D', 9],
  ['F', 7],
  ['V', 8],
  ['G', 10],
];
const IDS = LISTS.flatMap(([letter, count]) => Array.from({ length: count }, (_, n) => `${letter}${n + 1}`));

const rows = tableRows(readPage('docs/requirements.md'), /^[A-Z]\d+$/).map(([id = '', what = '', code = '', tests = '', state = '']) => ({
  id,
  what,
  code: named(code),
  tests: named(tests),
  state,
}));

/** Files in back ticks. */
function named(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
}

test('every requirement has exactly one row, in order', () => {
  expect(rows.map(({ id }) => id)).toEqual(IDS);
});

test.each(rows)('$id names files that exist', ({ code, tests }) => {
  expect([...code, ...tests].filter((file) => !fileExists(file))).toEqual([]);
  expect(tests.filter((file) => !file.startsWith('test/') || !/\.test\.ts$/.test(file))).toEqual([]);
});

test.each(rows)('$id says how far it is: $state', ({ what, code, tests, state }) => {
  expect(what).not.toBe('');
  expect(state).toMatch(/^(done|open|part: .+)$/);
  if (state === 'done') expect(Math.min(code.length, tests.length)).toBeGreaterThan(0);
  if (state === 'open') expect([...code, ...tests]).toEqual([]);
});
