import { adviceForIndexes, adviceForServer, adviceForTable, type IndexState, type TableState } from '../../core/database-advice.ts';

const HEALTHY: TableState = {
  name: 'tasks',
  rows: 100_000,
  dead_rows: 100,
  sequential_scans: 1,
  rows_per_scan: 100_000,
  last_vacuum: null,
  last_autovacuum: null,
  last_analyze: null,
  last_autoanalyze: null,
  changed_since_analyze: 0,
};
const INDEX: IndexState = { name: 'i', table: 'tasks', bytes: 50 * 2 ** 20, scans: 0, needed: false };

it('says nothing about a healthy table', () => {
  expect(adviceForTable(HEALTHY)).toEqual([]);
});

it.each([
  ['dead rows', { dead_rows: 50_000 }, /^VACUUM \(ANALYZE\) tasks: 33 % /],
  ['stale statistics', { changed_since_analyze: 30_000 }, /^ANALYZE tasks: 30000 rows/],
  ['a missing index', { sequential_scans: 500 }, /^tasks was read from end to end 500 times/],
])('names %s', (_, change, expected) => {
  const advice = adviceForTable({ ...HEALTHY, ...change });
  expect(advice).toHaveLength(1);
  expect(advice[0]).toMatch(expected);
});

it('leaves small tables alone', () => {
  const small = { ...HEALTHY, rows: 50, dead_rows: 500, sequential_scans: 1e6, rows_per_scan: 50, changed_since_analyze: 5_000 };
  expect(adviceForTable(small)).toEqual([]);
});

it('names large indexes that nothing reads, unless they enforce a key', () => {
  expect(adviceForIndexes([INDEX])).toEqual(['index i on tasks was never read and takes 50 MB']);
  expect(
    adviceForIndexes([
      { ...INDEX, needed: true },
      { ...INDEX, scans: 1 },
      { ...INDEX, bytes: 8192 },
    ]),
  ).toEqual([]);
});

it('warns before connections run out, and of transactions that stay open', () => {
  const calm = { connections: 20, max_connections: 100, oldest_transaction_s: 1 };
  expect(adviceForServer(calm)).toEqual([]);
  expect(adviceForServer({ ...calm, connections: 90 })).toHaveLength(1);
  expect(adviceForServer({ ...calm, oldest_transaction_s: 4_000 })[0]).toMatch(/4000 s/);
});
