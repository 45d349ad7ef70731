import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
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
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each(SEEDS)(
    'keep every promise at every moment and end each task once (seed %i)',
    async (seed) => {
      const { findings, tally } = await runChaos(db, { seed, floor: FLOOR });
      expect({ seed, findings }).toEqual({ seed, findings: [] });
      for (const end of ENDS) ends.set(end, (ends.get(end) ?? 0) + (tally[`ended ${end}`] ?? 0));
    },
    180_000,
  );

  it('end tasks in every way', () => {
    for (const end of ENDS) expect([end, ends.get(end)]).toEqual([end, expect.any(Number)]);
    expect(Math.min(...ends.values())).toBeGreaterThan(0);
  });

  it('never wait for each other in a ring', async () => {
    const rows = await query<{ n: number }>(db.em, 'select deadlocks::int4 as n from pg_stat_database where datname = current_database()');
    expect(rows).toEqual([{ n: 0 }]);
  });
});
