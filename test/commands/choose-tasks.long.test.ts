import type { Em } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { compareChoices } from './random-choices.ts';

const ROUNDS = 3000;

describe('looking at the first tasks of each queue', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it('decides as looking at all groups does', async () => {
    const seed = Date.now() % 1_000_000;
    process.stdout.write(`choices: ${ROUNDS} worlds, seed ${seed}\n`);
    const seen = { started: 0, simple: 0, fitting: 0 };
    await compareChoices(db.em as Em, { seed, rounds: ROUNDS }, ({ simple, whole, ...compared }) => {
      expect({ seed, ...compared, starts: simple.starts }).toEqual({ seed, ...compared, starts: whole.starts });
      seen.started += whole.starts.length;
      if (simple.choice.snapshot.candidates.length < whole.choice.snapshot.candidates.length) seen.simple += 1;
      if (simple.by === 'fitting') seen.fitting += 1;
    });
    expect(seen.started).toBeGreaterThan(ROUNDS / 2);
    expect(seen.simple).toBeGreaterThan(ROUNDS / 20);
    expect(seen.fitting).toBeGreaterThan(ROUNDS / 50);
    process.stdout.write(`choices: ${JSON.stringify(seen)}\n`);
  }, 900_000);
});
