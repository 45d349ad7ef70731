import { migrateDown, migrateUp } from '../../platform/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

describe('migrations', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it('go down to nothing and up again', async () => {
    const down = await migrateDown(db.orm, { dumpTo: null, to: 0 });
    expect(down.names).toContain('0001-initial');
    const left = await db.em
      .getConnection()
      .execute("select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'");
    expect(left).toEqual([]);
    expect((await migrateUp(db.orm, { dumpTo: null })).names).toEqual(down.names.toReversed());
  });
});
