import { type Em, queryOnce } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BUGS, type Bug, definitionOf } from './chaos/bugs.ts';
import { runChaos } from './chaos/run-chaos.ts';

const FLOOR = {
  submitted: 120,
  admitted: 100,
  claimed: 60,
  finished: 90,
  retried: 8,
  cancelled: 15,
  operated: 40,
  samples: 15,
  released: 10,
};

/** Rare moments may take more than one run. */
const SEEDS = [7, 8, 9, 10, 11, 12];

/** Changes a function of the database. @returns how to change it back, or null when there was nothing to change */
async function plantIn(db: TestDatabase, { in: name = '', from, to }: Bug): Promise<(() => Promise<void>) | null> {
  const em = db.em as Em;
  const before = await definitionOf(em, name);
  const after = before.replace(from, to);
  if (after === before) return null;
  await queryOnce(em, after);
  return async () => void (await queryOnce(em, before));
}

describe('a bug that is planted on purpose', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each(BUGS)(
    'is found: $name',
    async (bug) => {
      const { from, to, finding } = bug;
      const restore = bug.in === undefined ? null : await plantIn(db, bug);
      let planted = restore ? 1 : 0;
      const rewrite = (sql: string): string => {
        const changed = sql.replace(from, to);
        if (changed !== sql) planted += 1;
        return changed;
      };
      const findings: string[] = [];
      // Another finding does not count for this bug: the next seed has to show it.
      for (const seed of SEEDS) {
        if (!findings.some((found) => finding.test(found)))
          findings.push(...(await runChaos(db, { seed, floor: FLOOR, rewrite })).findings);
      }
      await restore?.();
      expect(planted).toBeGreaterThan(0);
      expect(findings.join('\n')).toMatch(finding);
    },
    400_000,
  );
});
