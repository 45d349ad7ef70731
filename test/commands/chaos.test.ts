import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BUGS, definitionOf } from './chaos/bugs.ts';
import { runChaos } from './chaos/run-chaos.ts';

const SEEDS = [1, 2, 3];

const ENDS = ['completed', 'failed', 'cancelled'];

const FLOOR = {
  submitted: 100,
  admitted: 90,
  claimed: 50,
  finished: 80,
  'claim refused': 20,
  'finish refused': 50,
  released: 5,
  retried: 5,
  cancelled: 10,
  operated: 30,
  chained: 10,
  controlled: 10,
  samples: 10,
};

describe('dispatchers, clients, workers and an operator all at once', () => {
  let db: TestDatabase;
  const ends = new Map<string, number>();
  const unplanted = new Set(BUGS);
  /** Changes nothing: looks which of the bugs of planted-bugs.long.test.ts still find their place in what they run. */
  const noted = (sql: string): string => {
    for (const bug of unplanted) if (sql.replace(bug.from, bug.to) !== sql) unplanted.delete(bug);
    return sql;
  };
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each(SEEDS)(
    'keep every promise at every moment and end each task once (seed %i)',
    async (seed) => {
      const { findings, tally } = await runChaos(db, { seed, floor: FLOOR, rewrite: noted });
      expect({ seed, findings }).toEqual({ seed, findings: [] });
      for (const end of ENDS) ends.set(end, (ends.get(end) ?? 0) + (tally[`ended ${end}`] ?? 0));
    },
    180_000,
  );

  it('end tasks in every way', () => {
    for (const end of ENDS) expect([end, ends.get(end)]).toEqual([end, expect.any(Number)]);
    expect(Math.min(...ends.values())).toBeGreaterThan(0);
  });

  it('run every statement into which a bug can be planted on purpose', async () => {
    for (const bug of BUGS.filter((each) => each.in !== undefined)) noted(await definitionOf(db.em as Em, bug.in as string));
    expect([...unplanted].map(({ name }) => name)).toEqual([]);
  });

  it('never wait for each other in a ring', async () => {
    const rows = await query<{ n: number }>(db.em, 'select deadlocks::int4 as n from pg_stat_database where datname = current_database()');
    expect(rows).toEqual([{ n: 0 }]);
  });
});
