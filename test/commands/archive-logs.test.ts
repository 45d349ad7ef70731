import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { type ArchiveOptions, archiveOldLogs } from '../../commands/archive-logs.ts';
import { LogIngest } from '../../commands/ingest-log.ts';
import { openLogSource } from '../../commands/open-log-source.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const DAY_MS = 86_400_000;
const NOW = new Date();

describe('old logs', () => {
  let db: TestDatabase;
  let folder: string;
  const removed: Record<string, number> = {};
  const fork = (): Em => db.orm.em.fork() as Em;
  const options = (changes: Partial<ArchiveOptions> = {}): ArchiveOptions => ({
    fork,
    policy: { segment_days: 60, image_log_days: 90, archive: true },
    artifacts: createFolderStore(folder),
    signal: new AbortController().signal,
    onRemoved: async (table, rows) => void Object.assign(removed, { [table]: (removed[table] ?? 0) + rows }),
    ...changes,
  });
  const rows = <T>(sql: string) => query<T & object>(fork(), sql);
  const partitions = async () =>
    (
      await rows<{ name: string }>(`select relname as name from pg_class where relname ~ '^container_log_segment_[0-9]{6}$' order by 1`)
    ).map(({ name }) => name);

  async function store(container_id: string, days_ago: number, count: number): Promise<void> {
    const spec = {
      container_id,
      container_name: container_id,
      docker_id: 'd',
      kind: 'container' as const,
      identity: 'container',
      runid: null,
      user_id: null,
    };
    const ingest = await LogIngest.open(fork, await openLogSource(fork(), { ...spec, requested_by: 'test' }));
    const time = NOW.getTime() - days_ago * DAY_MS;
    for (let i = 0; i < count; i++)
      ingest.take({ number: ingest.line + 1, text: `ERROR line ${i}`, stream: 'stdout', time: time + i, name: null });
    ingest.settle();
    await ingest.save();
    await query(fork(), `update container_log_source set status = 'ended', ended_at = now() where container_id = $1`, [container_id]);
  }

  beforeAll(async () => {
    db = await createTestDatabase();
    folder = await mkdtemp(path.join(os.tmpdir(), 'archive-test-'));
    await store('old', 130, 2_500);
    await store('old', 1, 10);
    await store('new', 1, 10);
    await query(
      fork(),
      `insert into docker_image_log (image_name, operation, status, actor, task_id, runid, created_at, ended_at)
      select 'a:1', 'pull', 'succeeded', 'user:x', gen_random_uuid(), gen_random_uuid(), now() - interval '100 days', now() - interval '100 days' from generate_series(1, 3)`,
    );
    await query(
      fork(),
      `insert into docker_image_log (image_name, operation, status, actor, task_id, runid) values ('b:1', 'pull', 'started', 'user:x', gen_random_uuid(), gen_random_uuid())`,
    );
  });
  afterAll(async () => {
    await db.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('a month is written to a file with a checksum and dropped as a whole; younger months, figures and open operations stay', async () => {
    const before = await partitions();
    expect(before.length).toBeGreaterThanOrEqual(2);
    await archiveOldLogs(NOW, options());
    expect(await rows(`select container_id, count(*)::int as n from container_log_segment group by 1 order by 1`)).toEqual([
      { container_id: 'new', n: 10 },
      { container_id: 'old', n: 10 },
    ]);
    expect(await partitions()).toEqual(before.slice(1));
    expect(removed).toMatchObject({ container_log_segment: 2_500, docker_image_log: 3 });
    expect(await rows('select sum(count)::int as n from log_stats_hourly')).toEqual([{ n: 20 }]);
    const [archive] = await rows<{ key: string; sha256: string; rows: string; bytes: string; period: string }>(
      `select * from log_archive where table_name = 'container_log_segment'`,
    );
    expect(archive).toMatchObject({ rows: '2500', period: before[0]?.slice(-6) });
    const bytes = await buffer(await createFolderStore(folder).open(archive?.key ?? ''));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(archive?.sha256);
    expect(String(bytes.length)).toBe(archive?.bytes);
    const lines = gunzipSync(bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(2_500);
    expect(lines[7]).toMatchObject({ container_id: 'old', content: 'ERROR line 7', line_number: 8, severity_level: 'error' });
    expect(await rows(`select image_name from docker_image_log`)).toEqual([{ image_name: 'b:1' }]);
  });

  test('a second run finds nothing, and the same month gets a second file when lines came late', async () => {
    const files = () => rows<{ period: string }>(`select period from log_archive where table_name = 'container_log_segment' order by id`);
    const before = await files();
    await archiveOldLogs(NOW, options());
    expect(await files()).toEqual(before);
    await store('late', 130, 5);
    await archiveOldLogs(NOW, options());
    expect((await files()).map(({ period }) => period)).toEqual([before[0]?.period, `${before[0]?.period}-2`]);
  });

  test('a run that is broken off while it writes removes nothing, and leaves nothing half done', async () => {
    await store('broken', 130, 50);
    const stopping = new AbortController();
    stopping.abort(new Error('stopped'));
    await expect(archiveOldLogs(NOW, options({ signal: stopping.signal }))).rejects.toThrow('stopped');
    expect(await rows(`select count(*)::int as n from container_log_segment where container_id = 'broken'`)).toEqual([{ n: 50 }]);
    const full = { ...createFolderStore(folder), put: () => Promise.reject(new Error('disk full')) };
    await expect(archiveOldLogs(NOW, options({ artifacts: full }))).rejects.toThrow('disk full');
    expect(await rows(`select count(*)::int as n from container_log_segment where container_id = 'broken'`)).toEqual([{ n: 50 }]);
    await archiveOldLogs(NOW, options({ policy: { segment_days: 60, image_log_days: 0, archive: false } }));
    expect(await rows(`select count(*)::int as n from container_log_segment where container_id = 'broken'`)).toEqual([{ n: 0 }]);
  });

  test('sources that nobody reads any more, templates without messages and things of Engines that are away go too', async () => {
    const old = `now() - interval '100 days'`;
    await query(fork(), 'alter table container_log_source disable trigger set_updated_at');
    await query(fork(), 'alter table log_template disable trigger set_updated_at');
    for (const [id, seen] of [
      ['kept', 'now()'],
      ['away', old],
    ] as const)
      await query(
        fork(),
        `insert into docker_container (docker_id, container_id, container_name, image_id, image_name, status, last_seen) values ('e', $1, $1, 'i', 'i', 'running', ${seen})`,
        [id],
      );
    await query(
      fork(),
      `insert into container_log_source (container_id, container_name, kind, identity, requested_by, updated_at)
       values ('kept', 'k', 'container', 'container', 'worker', ${old}), ('away', 'a', 'container', 'container', 'worker', ${old}), ('text', 't', 'text', 'sha256/1', 'x', ${old}),
         ('new', 'n', 'batch', 'batch/2026-01', 'x', now())`,
    );
    await query(
      fork(),
      `insert into log_template (source_id, number, container_id, template, last_seen, updated_at)
       select id, 901, container_id, 'old', ${old}, ${old} from container_log_source where container_id = 'kept'`,
    );
    await archiveOldLogs(NOW, options());
    const left = `select container_id from container_log_source where container_id in ('kept', 'away', 'text', 'new') group by 1 order by 1`;
    expect(await rows(left)).toEqual([{ container_id: 'kept' }, { container_id: 'new' }]);
    expect(await rows(`select container_id from docker_container where docker_id = 'e'`)).toEqual([{ container_id: 'kept' }]);
    expect(await rows(`select 1 from log_template where template = 'old'`)).toEqual([]);
    expect(await rows(`select 1 from log_template where last_seen > now() - interval '10 days'`)).not.toEqual([]);
  });

  test('lines outside of all months are archived too', async () => {
    await query(
      fork(),
      `insert into container_log_segment (source_id, container_id, container_name, segment_type, severity_level, severity_number, content, logged_at, filed_at, line_number,
         line_count, format, detect_source) values (1, 'ancient', 'a', 'info', 'info', 9, 'x', '2001-01-01', '2001-01-01', 1, 1, 'plain', 'default')`,
    );
    await archiveOldLogs(NOW, options());
    expect(await rows(`select 1 from container_log_segment where container_id = 'ancient'`)).toEqual([]);
    expect(await rows(`select rows::int as rows from log_archive where period = 'others'`)).toEqual([{ rows: 1 }]);
    expect(await rows(`select coalesce(sum(count), 0)::int as n from log_stats_hourly where container_id = 'ancient'`)).toEqual([{ n: 0 }]);
  });
});
