import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** What the document on videos wants of a task besides. */
const OF_VIDEOS = [
  ...['user_id', 'prompt', 'progress', 'total_scenes', 'completed_scenes', 'final_video_path', 'error_message'],
  ...['started_at', 'completed_at', 'duration'],
];

/** The columns that the documents name, for each table (O1–O6, G1; `tasks.uuid` is the video document's `task_id`). */
const DOCUMENTED: Record<string, string[]> = {
  tasks: ['uuid', 'name', 'template', 'type', 'status', 'parameters', 'priority', 'timeout', 'created_at', 'updated_at', ...OF_VIDEOS],
  instances: ['runid', 'task_id', 'status', 'start_time', 'end_time', 'logs', 'tags'],
  templates: ['name', 'engine', 'schema', 'parameters', 'created_at', 'updated_at'],
  queues: ['name', 'capacity', 'current_load', 'status', 'priority'],
  pools: ['name', 'total_cpu', 'total_memory', 'used_cpu', 'used_memory', 'status'],
  slas: ['id', 'name', 'conditions', 'actions', 'priority'],
  users: ['id', 'username', 'email', 'api_key', 'quota', 'used_quota', 'is_active', 'created_at', 'updated_at'],
  scripts: ['id', 'task_id', 'scene_number', 'description', 'duration', 'camera_movement', 'lighting', 'created_at'],
  videos: ['id', 'task_id', 'scene_number', 'file_path', 'file_size', 'duration', 'width', 'height', 'fps', 'status', 'created_at'],
  statistics: [
    'id',
    'date',
    'total_tasks',
    'completed_tasks',
    'failed_tasks',
    'total_videos',
    'total_duration',
    'avg_generation_time',
    'created_at',
  ],
};

const PRIMARY_KEYS = ['tasks(uuid)', 'instances(runid)', 'templates(name)', 'queues(name)', 'pools(name)', 'slas(id)'];

/** Many to one (O7): every one a foreign key. */
const RELATIONS = [
  'tasks(template) -> templates(name)',
  'tasks(queue) -> queues(name)',
  'instances(task_id) -> tasks(uuid)',
  'queues(pool) -> pools(name)',
  'tasks(user_id) -> users(id)',
  'scripts(task_id) -> tasks(uuid)',
  'videos(task_id) -> tasks(uuid)',
  'pools(sla_id) -> slas(id)',
];

/** O8: each of these leads an index. */
const INDEXED = [
  'tasks(status)',
  'tasks(type)',
  'tasks(created_at)',
  'instances(task_id)',
  'instances(status)',
  'instances(start_time)',
  'queues(status)',
  'queues(priority)',
  'tasks(user_id)',
  'users(username)',
  'users(email)',
  'users(api_key)',
  'scripts(task_id)',
  'videos(task_id)',
  'statistics(date)',
];

/** What later parts rest on. */
const FOUNDATION: Record<string, string[]> = {
  instances: ['lease_epoch', 'cancel_requested_at', 'workflow_id', 'worker', 'heartbeat_at', 'attempt', 'result', 'error'],
  tasks: ['queue', 'user_id', 'template_version_id', 'pending_reason', 'status_reason', 'vtime', 'eligible_at', 'cancel_requested_at'],
  grants: ['runid', 'queue', 'pool', 'worker', 'cpu', 'memory_mb', 'released_at'],
  template_versions: ['template', 'version', 'schema', 'parameters'],
  sla_versions: ['sla_id', 'version', 'conditions', 'actions'],
  instance_logs: ['runid', 'seq', 'stream', 'line'],
};

describe('the migrated schema', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  const strings = async (sql: string): Promise<string[]> => (await query<{ x: string }>(db.em, sql)).map((row) => row.x);
  const columns = async (table: string): Promise<string[]> =>
    (
      await query<{ x: string }>(
        db.em,
        `select column_name as x from information_schema.columns where table_schema = 'public' and table_name = $1`,
        [table],
      )
    ).map((row) => row.x);

  it('is what the entities declare: nothing to update', async () => {
    expect(await db.orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('differs as soon as a column is missing', async () => {
    await query(db.em, 'alter table workers drop column docker_id');
    expect(await db.orm.schema.getUpdateSchemaSQL({ wrap: false })).toContain('docker_id');
    await query(db.em, 'alter table workers add column docker_id text');
  });

  it.each(Object.entries(DOCUMENTED))('has the documents’ columns of %s', async (table, expected) => {
    expect(await columns(table)).toEqual(expect.arrayContaining(expected));
  });

  it.each(Object.entries(FOUNDATION))('has in %s what later parts rest on', async (table, expected) => {
    expect(await columns(table)).toEqual(expect.arrayContaining(expected));
  });

  it('has the documents’ primary keys', async () => {
    const keys = await strings(
      `select c.relname || '(' || string_agg(a.attname, ',' order by a.attnum) || ')' as x from pg_index i join pg_class c on c.oid = i.indrelid
       join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public' join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
       where i.indisprimary group by c.relname`,
    );
    expect(keys).toEqual(expect.arrayContaining(PRIMARY_KEYS));
  });

  it('has the documents’ relations as foreign keys that are enforced', async () => {
    const keys = await strings(
      `select c.conrelid::regclass || '(' || a.attname || ') -> ' || c.confrelid::regclass || '(' || f.attname || ')' as x from pg_constraint c
       join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] join pg_attribute f on f.attrelid = c.confrelid and f.attnum = c.confkey[1]
       where c.contype = 'f' and c.convalidated and c.conenforced`,
    );
    expect(keys).toEqual(expect.arrayContaining(RELATIONS));
  });

  it('has the documents’ indexes', async () => {
    const indexes = await strings(
      `select c.relname || '(' || a.attname || ')' as x from pg_index i join pg_class c on c.oid = i.indrelid
       join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] where i.indpred is null and i.indisvalid`,
    );
    expect(indexes).toEqual(expect.arrayContaining(INDEXED));
  });

  it('records when every row of every table was made and changed', async () => {
    const without = await strings(
      `select t.tablename as x from pg_tables t where t.schemaname = 'public' and t.tablename <> 'schema_migrations' and (
         select count(*) from information_schema.columns c where c.table_schema = 'public' and c.table_name = t.tablename and c.is_nullable = 'NO'
           and c.data_type = 'timestamp with time zone' and c.column_name in ('created_at', 'updated_at') and c.column_default = 'now()') <> 2`,
    );
    expect(without).toEqual([]);
  });

  it('has an index that leads with the columns of each foreign key that is followed backwards', async () => {
    const missing = await strings(
      `select c.conrelid::regclass || '(' || a.attname || ')' as x from pg_constraint c
       join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
       where c.contype = 'f' and c.confrelid in ('tasks'::regclass, 'instances'::regclass) and not exists (
         select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`,
    );
    expect(missing).toEqual([]);
  });

  it('comes from migrations that go down to nothing and up to the same again', async () => {
    const left = `select relname::text as x from pg_class where relnamespace = 'public'::regnamespace and relname not like 'schema_migrations%'
      union all select proname::text from pg_proc where pronamespace = 'public'::regnamespace
      union all select typname::text from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e'`;
    const shape = `select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') as x
      from information_schema.columns where table_schema = 'public'
      union all select indexdef from pg_indexes where schemaname = 'public'
      union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
      union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by 1`;
    const before = await strings(shape);
    await db.orm.migrator.down({ to: 0 });
    expect(await strings(left)).toEqual([]);
    await db.orm.migrator.up();
    expect(await strings(shape)).toEqual(before);
  });
});
