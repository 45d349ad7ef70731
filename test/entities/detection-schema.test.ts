import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf } from '../support/factories.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const strings = async (sql: string, parameters: unknown[] = []): Promise<string[]> =>
  (await query<{ x: string }>(db.em, sql, parameters)).map(({ x }) => x);

const TABLES = ['alert_history', 'alert_rules', 'detection_records', 'statistics_hourly', 'violation_events'];

it('has the five documented tables with 15 indexes, 2 views and triggers that keep updated_at', async () => {
  const indexes = await strings(`select indexname as x from pg_indexes where tablename = any($1) and indexname like 'idx%'`, [TABLES]);
  expect(indexes).toHaveLength(15);
  expect(await strings(`select viewname as x from pg_views where schemaname = 'public' order by 1`)).toEqual(
    expect.arrayContaining(['v_daily_statistics', 'v_recent_violations']),
  );
  const triggers = `select tgrelid::regclass::text as x from pg_trigger where tgname = 'set_updated_at' and tgrelid::regclass::text = any($1) order by 1`;
  expect(await strings(triggers, [TABLES])).toEqual(['alert_history', 'alert_rules', 'statistics_hourly', 'violation_events']);
});

it.each([
  ['detection_records', ['camera_id', 'frame_number', 'timestamp', 'person_count', 'hairnet_violations', 'objects', 'detail']],
  ['violation_events', ['camera_id', 'violation_type', 'confidence', 'status', 'timestamp']],
  ['statistics_hourly', ['camera_id', 'hour_start', 'total_frames']],
])('has the documents’ columns of %s', async (table, expected) => {
  const columns = await strings(
    `select column_name as x from information_schema.columns where table_schema = 'public' and table_name = $1`,
    [table],
  );
  expect(columns).toEqual(expect.arrayContaining(expected));
});

describe('partitions', () => {
  const ensure = async (at: string) => (await strings('select ensure_detection_partition($1) as x', [at]))[0];
  const insert = (at: string, frame: number) =>
    query(
      db.em,
      `insert into detection_records (camera_id, session_id, frame_number, timestamp, person_count, hairnet_violations, saved_for, objects)
       values ('c', 1, $2, $1, 0, 0, 'sample', '[]')`,
      [at, frame],
    );
  const today = new Date().toISOString().slice(0, 10);
  const name = `detection_records_${today.replaceAll('-', '')}`;

  it('are made once for each day, also by several at a time, and take over what came before them', async () => {
    await insert(`${today}T00:00:00Z`, 1);
    await insert(`${today}T23:59:59.999Z`, 2);
    expect(await countOf(db.em, 'partitions.detection_records_default')).toBe(2);
    const made = await Promise.all(Array.from({ length: 6 }, () => ensure(`${today}T12:00:00Z`)));
    expect(new Set(made)).toEqual(new Set([name]));
    expect(await countOf(db.em, `partitions.${name}`)).toBe(2);
    await insert(`${today}T05:00:00Z`, 3);
    expect(await countOf(db.em, `partitions.${name}`)).toBe(3);
    expect(await countOf(db.em, 'partitions.detection_records_default')).toBe(0);
    expect(await db.orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('are not made for days far from now', async () => {
    expect(await ensure('1999-01-01T00:00:00Z')).toBeNull();
    expect(await ensure('2999-01-01T00:00:00Z')).toBeNull();
    await insert('1999-01-01T00:00:00Z', 4);
    expect(await countOf(db.em, 'partitions.detection_records_default')).toBe(1);
  });

  it('never hold a frame of a session twice', async () => {
    await expect(insert(`${today}T05:00:00Z`, 3)).rejects.toMatchObject({ code: '23505' });
  });
});
