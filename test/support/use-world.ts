import type { CommandContext } from '../../commands/context.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import type { Em } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { emptyDatabase, makeWorld } from './factories.ts';

/** What each test starts with: the database of its file with the world of `makeWorld` in it and nothing else, and its user. */
export type TestWorld = { db: TestDatabase; ctx: CommandContext };

/**
 * Gives the tests of a `describe` a database of their own, a fresh world for each, and sees after each that every promise still holds.
 * @param prepare called before each test, to take the world and to add to it
 */
export function useWorld(prepare: (world: TestWorld) => void | Promise<void>): void {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em as Em);
    await prepare({ db, ctx: await makeWorld(db.em as Em) });
  });
  afterEach(async () => {
    expect((await checkInvariants(db.em as Em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
  });
}
