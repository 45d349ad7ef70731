import { randomInt } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { runChaos } from './chaos/run-chaos.ts';

/** New seeds at each run; `CHAOS_SEED` repeats one. */
const given = Number(process.env.CHAOS_SEED);
const SEEDS = given ? [given] : Array.from({ length: 10 }, () => randomInt(1, 1_000_000));
const FLOOR = { submitted: 500, admitted: 450, claimed: 250, finished: 400, retried: 30, cancelled: 60, operated: 150, samples: 50 };

describe('the same for longer, from new seeds', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each(SEEDS)(
    'keeps every promise (seed %i)',
    async (seed) => {
      const { findings } = await runChaos(db, { seed, floor: FLOOR });
      expect({ seed, findings }).toEqual({ seed, findings: [] });
    },
    180_000,
  );
});
