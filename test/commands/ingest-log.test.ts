import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ingestLines, LogIngest } from '../../commands/ingest-log.ts';
import { endLogSource, type LogSource, loadLogSource, openLogSource, type SourceSpec } from '../../commands/open-log-source.ts';
import { LineReader } from '../../core/logs/line-reader.ts';
import type { NumberedLine } from '../../core/logs/segment.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const folder = path.join(process.env.TEST_DATA_DIR ?? '../shared/data', 'logs');
const describeWithLogs = existsSync(folder) ? describe : describe.skip;
const SYSTEMS = ['Apache', 'HDFS', 'Hadoop', 'OpenStack', 'Android', 'Linux', 'OpenSSH', 'Mac'];

const spec = (changes: Partial<SourceSpec> = {}): SourceSpec => ({
  container_id: 'c1',
  container_name: 'one',
  docker_id: null,
  kind: 'text',
  identity: 'sha256/1',
  runid: null,
  user_id: null,
  requested_by: 'test',
  ...changes,
});

async function* read(bytes: Buffer): AsyncGenerator<NumberedLine[]> {
  const reader = new LineReader('auto');
  for (let at = 0; at < bytes.length; at += 10_000) yield reader.push(bytes.subarray(at, at + 10_000));
  yield reader.flush();
}

describe('reading a log into segments', () => {
  let db: TestDatabase;
  const fork = (): Em => db.orm.em.fork() as Em;
  const one = async <T>(sql: string, values: unknown[] = []): Promise<T> => (await query<T & object>(fork(), sql, values))[0] as T;
  const ingest = async (text: string | Buffer, changes: Partial<SourceSpec> = {}): Promise<LogSource> => {
    const source = await openLogSource(fork(), spec(changes));
    await ingestLines(fork, source, read(Buffer.from(text as string)));
    await endLogSource(fork(), source.id, null);
    return (await loadLogSource(fork(), source.id)) as LogSource;
  };
  const contents = async (container_id: string): Promise<string> =>
    (
      await one<{ x: string }>(
        `select string_agg(content, chr(10) order by line_number) as x from container_log_segment where container_id = $1`,
        [container_id],
      )
    ).x;

  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  test('the same text read again adds nothing, another text of the same container does', async () => {
    const text = 'ERROR a\nINFO b\n';
    const first = await ingest(text, { container_id: 'twice' });
    expect(first).toMatchObject({ status: 'ended', lines: 2, segments: 2 });
    expect(await ingest(text, { container_id: 'twice' })).toMatchObject({ id: first.id, lines: 2, segments: 2 });
    await ingest('ERROR a\nINFO b\nWARN c', { container_id: 'twice', identity: 'sha256/2' });
    expect(await one(`select count(*)::int as n from container_log_segment where container_id = 'twice'`)).toEqual({ n: 5 });
  });

  test('a line of a megabyte, NUL, bad UTF-8, CRLF, colours and a missing last newline: nothing is lost', async () => {
    const long = `ERROR ${'ü'.repeat(524_288)}`;
    const bytes = Buffer.concat([
      Buffer.from(`a\0b\r\n${long}\n\u001b[31mWARN\u001b[0m c\n`),
      Buffer.from([0x64, 0xff, 0x65, 0x0a]),
      Buffer.from('end'),
    ]);
    await ingest(bytes, { container_id: 'odd' });
    expect(await contents('odd')).toBe(['a\uFFFDb', long, 'WARN c', 'd\uFFFDe', 'end'].join('\n'));
  });

  test('lines of json-file and CRI are taken out of their carrier, parts are joined', async () => {
    const json = (log: string) => JSON.stringify({ log, stream: 'stderr', time: '2026-01-01T00:00:00.5Z' });
    await ingest(`${json('WARN long ')}\n${json('line\n')}\n2026-01-01T00:00:01Z stdout P ERROR \n2026-01-01T00:00:01Z stdout F x\n`, {
      container_id: 'carried',
    });
    const rows = await query(
      fork(),
      `select content, stream, severity_level, timestamp from container_log_segment where container_id = 'carried' order by line_number`,
    );
    expect(rows).toMatchObject([
      { content: 'WARN long line', stream: 'stderr', severity_level: 'warning' },
      { content: 'ERROR x', stream: 'stdout', severity_level: 'error' },
    ]);
  });

  test('statistics follow segments in and out', async () => {
    await ingest('2026-02-01 10:00:00 ERROR a\n2026-02-01 10:59:59 ERROR b\n2026-02-01 11:00:00 INFO c\n', { container_id: 'counted' });
    const stats = () =>
      query(
        fork(),
        `select to_char(hour at time zone 'UTC', 'HH24') as h, severity_level as s, count::int as n from log_stats_hourly where container_id = 'counted' and count > 0 order by 1`,
      );
    expect(await stats()).toEqual([
      { h: '10', s: 'error', n: 2 },
      { h: '11', s: 'info', n: 1 },
    ]);
    await query(fork(), `delete from container_log_segment where container_id = 'counted' and content like '%a'`);
    expect(await stats()).toEqual([
      { h: '10', s: 'error', n: 1 },
      { h: '11', s: 'info', n: 1 },
    ]);
  });

  test('a reading that stops anywhere goes on where it stopped, inside a trace too', async () => {
    const lines = [
      '2026-01-01 00:00:00 ERROR x',
      'java.lang.X: y',
      '\tat a.b(C.java:1)',
      '\tat a.c(C.java:2)',
      '2026-01-01 00:00:01 INFO z',
    ];
    const source = await openLogSource(fork(), spec({ container_id: 'stopped' }));
    const first = await LogIngest.open(fork, source);
    lines.slice(0, 3).forEach((text, i) => void first.take({ number: i + 1, text, stream: null, time: null, name: null }));
    await first.save();
    const second = await LogIngest.open(fork, (await loadLogSource(fork(), source.id)) as LogSource);
    expect(second.line).toBe(3);
    lines.forEach((text, i) => void second.take({ number: i + 1, text, stream: null, time: null, name: null }));
    second.settle();
    await second.save();
    expect(
      await query(fork(), `select line_number::int as l, line_count as n from container_log_segment where source_id = $1 order by 1`, [
        source.id,
      ]),
    ).toEqual([
      { l: 1, n: 4 },
      { l: 5, n: 1 },
    ]);
  });

  test('a batch that could not be stored is stored by the next try', async () => {
    const source = await openLogSource(fork(), spec({ container_id: 'broken' }));
    let broken = true;
    const flaky = (): Em => (broken ? Object.assign(fork(), { transactional: () => Promise.reject(new Error('away')) }) : fork());
    const ingesting = await LogIngest.open(flaky, source);
    ingesting.take({ number: 1, text: 'ERROR a 1', stream: null, time: null, name: null });
    ingesting.settle();
    await expect(ingesting.save()).rejects.toThrow('away');
    broken = false;
    ingesting.take({ number: 2, text: 'ERROR a 2', stream: null, time: null, name: null });
    ingesting.settle();
    await ingesting.save();
    expect(ingesting.stored).toBe(2);
    expect(await query(fork(), `select template, count::int as n from log_template where source_id = $1`, [source.id])).toEqual([
      { template: 'a <*>', n: 2 },
    ]);
  });

  test('months get partitions of their own, and rows that came before move there', async () => {
    const source = await openLogSource(fork(), spec({ container_id: 'months', kind: 'container' }));
    await query(
      fork(),
      `insert into container_log_segment (source_id, container_id, container_name, segment_type, severity_level, severity_number, content, logged_at, filed_at,
         line_number, line_count, format, detect_source)
       select $1, 'months', 'm', 'info', 'info', 9, 'restored', now() - interval '70 days', now() - interval '70 days', 99, 1, 'plain', 'default'`,
      [source.id],
    );
    const where = `select tableoid::regclass::text as t, content from container_log_segment where container_id = 'months' order by content`;
    expect(await query(fork(), where)).toEqual([{ t: 'partitions.container_log_segment_default', content: 'restored' }]);
    const then = Date.now() - 70 * 86_400_000;
    const ingesting = await LogIngest.open(fork, source);
    ingesting.take({ number: 1, text: 'x', stream: 'stdout', time: then, name: null });
    ingesting.settle();
    await ingesting.save();
    const month = `partitions.container_log_segment_${new Date(then).toISOString().slice(0, 7).replace('-', '')}`;
    expect(await query(fork(), where)).toEqual([
      { t: month, content: 'restored' },
      { t: month, content: 'x' },
    ]);
    expect(await one(`select sum(count)::int as n from log_stats_hourly where container_id = 'months'`)).toEqual({ n: 2 });
  });

  describeWithLogs('16,000 real lines', () => {
    test('stored twice: 16,000 segments, and statistics of as many', async () => {
      for (const system of [...SYSTEMS, ...SYSTEMS])
        await ingest(readFileSync(path.join(folder, `${system}_2k.log`)), { container_id: system });
      const counts = `select count(*)::int as segments, sum(line_count)::int as lines from container_log_segment where container_id = any($1)`;
      expect(await one(counts, [SYSTEMS])).toEqual({ segments: 16_000, lines: 16_000 });
      expect(await one(`select sum(count)::int as n from log_stats_hourly where container_id = any($1)`, [SYSTEMS])).toEqual({ n: 16_000 });
      expect(await one(`select sum(count)::int as n from container_log_trend`)).toMatchObject({ n: expect.any(Number) });
      expect(await one(`select count(*)::int as n from log_template where container_id = 'HDFS'`)).toEqual({ n: 14 });
    });
  });
});
