import { gzipSync } from 'node:zlib';
import { query } from '../../entities/sql.ts';
import { TRACES } from '../core/logs/traces.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, startTask } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi({ LOG_STATS_MAX_AGE_S: 60 });
});
afterAll(async () => await api.stop());

const analyze = async (text: string, container_id: string, caller = api.operator) => {
  const answer = await api.as(caller).post('/container-logs/analyze').send({ text, container_id });
  expect(answer.status).toBe(201);
  return answer.body;
};
const get = async (path: string, caller = api.operator) => {
  const answer = await api.as(caller).get(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.body;
};

const LOG = [
  '2026-03-01 10:00:00,000 INFO [main] com.example.Shop - opened',
  '2026-03-01 10:30:00,000 ERROR [main] com.example.Orders - order 7 failed',
  '2026-03-01 12:00:00,000 WARN [main] com.example.Stock - shelf 3 is nearly empty',
  '2026-03-01 12:00:01,000 DEBUG [main] com.example.Stock - error level unknown',
].join('\n');

test('a posted text is stored once, and found by container, type, severity, component, text and time', async () => {
  expect(await analyze(LOG, 'shop')).toMatchObject({
    stored: 4,
    types: { error: 1, warning: 1, info: 1, debug: 1 },
    source: { status: 'ended', lines: 4 },
  });
  expect(await analyze(LOG, 'shop')).toMatchObject({ stored: 0, source: { segments: 4 } });
  const lines = async (filter: string) =>
    (await get(`/container-logs/segments?container_id=shop&${filter}`)).items.map((s: { line_number: number }) => s.line_number);
  expect(await lines('')).toEqual([4, 3, 2, 1]);
  expect(await lines('sort=line_number')).toEqual([1, 2, 3, 4]);
  expect(await lines('type=error,debug')).toEqual([4, 2]);
  expect(await lines('severity=warning')).toEqual([3, 2]);
  expect(await lines('component=com.example.Stock')).toEqual([4, 3]);
  expect(await lines('q=SHELF%203')).toEqual([3]);
  expect(await lines('q=100%25')).toEqual([]);
  expect(await lines('from=2026-03-01T10:30:00Z&to=2026-03-01T12:00:00Z')).toEqual([2]);
  const first = await get('/container-logs/segments/container/shop?limit=3');
  expect(first.items).toHaveLength(3);
  const rest = await get(`/container-logs/segments/container/shop?limit=3&cursor=${first.next_cursor}`);
  expect(rest.items.map((s: { line_number: number }) => s.line_number)).toEqual([1]);
  expect((await get('/container-logs/segments/type/warning')).items[0]).toMatchObject({
    component: 'com.example.Stock',
    detect_source: 'header',
  });
});

test('statistics and trend add up, hours without segments are zeros, figures say how old they are', async () => {
  const stats = await get('/container-logs/stats?by=type&container_id=shop');
  const trend = await get('/container-logs/trend?container_id=shop&interval=1h');
  expect(stats).toMatchObject({ total: 4, as_of: expect.any(String), age_s: expect.any(Number) });
  expect(trend.points.map((p: { at: string; total: number }) => [p.at, p.total])).toEqual([
    ['2026-03-01T10:00:00.000Z', 2],
    ['2026-03-01T11:00:00.000Z', 0],
    ['2026-03-01T12:00:00.000Z', 2],
  ]);
  expect(trend.total).toBe(stats.total);
  for (const type of ['error', 'warning', 'info', 'debug'])
    expect(trend.points.reduce((sum: number, p: Record<string, number>) => sum + (p[type] ?? 0), 0)).toBe(
      stats.items.find((item: { key: string }) => item.key === type).count,
    );
  const day = await get('/container-logs/trend?container_id=shop&interval=1d&from=2026-02-27T00:00:00Z&to=2026-03-03T00:00:00Z');
  expect(day.points.map((p: { total: number }) => p.total)).toEqual([0, 0, 4, 0]);
  expect((await get('/container-logs/stats?by=component&container_id=shop')).items[0]).toMatchObject({
    key: 'com.example.Stock',
    count: 2,
  });
  expect((await get('/container-logs/stats?by=container')).items).toContainEqual(
    expect.objectContaining({ key: 'shop', name: 'shop', count: 4 }),
  );
  const refused = await api.as(api.operator).get('/container-logs/trend?interval=1h&from=1990-01-01T00:00:00Z&to=2026-01-01T00:00:00Z');
  expect(refused.status).toBe(422);
});

test('what is written here shows at once, also where figures may be old; what is counted again is the same', async () => {
  await analyze('ERROR one', 'fresh');
  const url = '/container-logs/stats?container_id=fresh&max_age_s=300';
  const before = await get(url);
  expect(before.total).toBe(1);
  expect(await get(url)).toMatchObject({ as_of: before.as_of });
  await analyze('ERROR two', 'fresh');
  expect((await get(url)).total).toBe(2);
});

test.each(Object.entries(TRACES))('a trace of %s is one segment, and exported as its 40 lines', async (language, { trace }) => {
  await analyze(trace, `trace-${language}`);
  const { items } = await get(`/container-logs/segments/container/trace-${language}`);
  expect(items).toMatchObject([{ line_count: 40, segment_type: 'error' }]);
  const exported = await api.as(api.operator).get(`/container-logs/export?container_id=trace-${language}`).buffer(true);
  expect(exported.text).toBe(`${trace}\n`);
});

test('a file is uploaded as bytes, compressed or not; compose prefixes name the containers', async () => {
  const bytes = Buffer.concat([Buffer.from('web-1  | INFO up\ndb-1   | ERROR a\0b \xff\n', 'latin1')]);
  const answer = await api
    .as(api.operator)
    .post('/container-logs/upload?container_id=stack')
    .set('Content-Type', 'text/plain')
    .set('Content-Encoding', 'gzip')
    .serialize((body) => body)
    .send(gzipSync(bytes));
  expect(answer.body).toMatchObject({ stored: 2 });
  const { items } = await get('/container-logs/segments?container_id=stack&sort=line_number');
  expect(items.map((s: { container_name: string; content: string }) => [s.container_name, s.content])).toEqual([
    ['web-1', 'INFO up'],
    ['db-1', 'ERROR a\uFFFDb \uFFFD'],
  ]);
});

test('segments that were made elsewhere are kept as their maker says, once each', async () => {
  const segments = [
    { container_id: 'made', content: 'all is well', line_number: 1, segment_type: 'error' },
    { container_id: 'made', content: '2026-03-01 00:00:00 WARN a.B - x', line_number: 2 },
  ];
  const save = async () => (await api.as(api.operator).post('/container-logs/segments/batch').send({ segments })).body;
  expect(await save()).toEqual({ received: 2, stored: 2 });
  expect(await save()).toEqual({ received: 2, stored: 0 });
  const { items } = await get('/container-logs/segments?container_id=made&sort=line_number');
  expect(items).toMatchObject([
    { segment_type: 'error', severity_level: 'error' },
    { segment_type: 'warning', timestamp: '2026-03-01T00:00:00.000Z', component: 'a.B' },
  ]);
});

test('segments posted in another month have a source of that month, and go with it', async () => {
  const post = async () => {
    const segments = [{ container_id: 'monthly', content: 'x', line_number: 1 }];
    expect((await api.as(api.operator).post('/container-logs/segments/batch').send({ segments })).status).toBe(201);
  };
  await post();
  await query(
    api.em,
    `update container_log_source set identity = 'batch/2020-01', first_seen = '2020-01-05' where container_id = 'monthly'`,
  );
  await post();
  const sources = `select identity, status, first_seen > now() - interval '1 hour' as young from container_log_source where container_id = 'monthly' order by id`;
  expect(await query(api.em, sources)).toEqual([
    { identity: 'batch/2020-01', status: 'ended', young: false },
    { identity: `batch/${new Date().toISOString().slice(0, 7)}`, status: 'ended', young: true },
  ]);
  expect(
    await query(api.em, `select 1 from container_log_segment where container_id = 'monthly' and filed_at > now() - interval '1 hour'`),
  ).toHaveLength(2);
});

test('line numbers are integers that everybody reads, in cursors too; larger ones are refused', async () => {
  const post = (line_number: number) =>
    api
      .as(api.operator)
      .post('/container-logs/segments/batch')
      .send({ segments: [{ container_id: 'far', content: `x ${line_number}`, line_number, line_count: 1_000_000 }] });
  for (const line of [1e15, Number.MAX_SAFE_INTEGER]) expect((await post(line)).body.errors[0].pointer).toBe('/segments/0/line_number');
  for (const line of [1e15 - 1e6, 1e15 - 1e6 - 1]) expect((await post(line)).status).toBe(201);
  expect((await get('/container-logs/sources?container_id=far')).items).toHaveLength(1);
  const page = await get('/container-logs/segments?container_id=far&sort=line_number&limit=1');
  expect((await get(`/container-logs/segments?container_id=far&sort=line_number&limit=1&cursor=${page.next_cursor}`)).items).toHaveLength(
    1,
  );
});

test('a segment of the year 9999 or 1970 does not spoil the trend for everybody', async () => {
  const segments = ['9999-01-01T00:00:00Z', '1970-01-01T00:00:00Z', new Date().toISOString()].map((timestamp, i) => ({
    container_id: 'clock',
    content: `x ${i}`,
    line_number: i + 1,
    timestamp,
  }));
  expect((await api.as(api.operator).post('/container-logs/segments/batch').send({ segments })).status).toBe(201);
  for (const query of ['', '?interval=1h', '?container_id=clock', '?container_id=clock&interval=1h&max_age_s=0'])
    expect(Date.parse((await get(`/container-logs/trend${query}`)).to)).toBeLessThan(Date.now() + 2 * 86_400_000);
  expect((await get('/container-logs/trend?container_id=clock')).total).toBe(2);
});

test('texts as long as documented are taken, longer ones name their field', async () => {
  const long = await api
    .as(api.operator)
    .post('/container-logs/analyze')
    .send({ text: `ERROR ${'x'.repeat(7_999_990)}`, container_id: 'long' });
  expect(long.status).toBe(201);
  const content = 'ü'.repeat(262_144);
  const post = (text: string) =>
    api
      .as(api.operator)
      .post('/container-logs/segments/batch')
      .send({ segments: [{ container_id: 'wide', content: text, line_number: 1 }] });
  expect((await post(content)).status).toBe(201);
  expect((await post(`${content}x`)).body.errors[0].pointer).toBe('/segments/0/content');
});

test('one segment and many are deleted, with their statistics; a filter is needed', async () => {
  await analyze('ERROR a\nINFO b\nINFO c\nWARN d', 'gone');
  const { items } = await get('/container-logs/segments?container_id=gone&type=error');
  expect((await api.as(api.operator).delete(`/container-logs/segments/${items[0].id}`)).status).toBe(204);
  expect((await api.as(api.operator).delete(`/container-logs/segments/${items[0].id}`)).status).toBe(404);
  expect((await api.as(api.operator).delete('/container-logs/segments')).status).toBe(422);
  const many = await api.as(api.operator).delete('/container-logs/segments?container_id=gone&type=info');
  expect(many.body).toEqual({ deleted: 2, more: false });
  expect(await get('/container-logs/stats?container_id=gone')).toMatchObject({ total: 1 });
  const audit = await query(api.em, `select action from audit_log where action like 'container_log.delete%' order by id`);
  expect(audit).toEqual([{ action: 'container_log.delete' }, { action: 'container_log.delete_many' }]);
});

test('users see and analyse their own only', async () => {
  const mine = await analyze('ERROR secret', 'private', api.user);
  expect((await get('/container-logs/segments?container_id=private', api.user)).items).toHaveLength(1);
  expect((await get('/container-logs/segments?container_id=private', api.stranger)).items).toHaveLength(0);
  expect((await get('/container-logs/segments?container_id=private')).items).toHaveLength(1);
  expect((await api.as(api.stranger).get(`/container-logs/sources/${mine.source.id}`)).status).toBe(404);
  expect((await api.as(api.user).post('/container-logs/analyze').send({ container_id: 'x' })).status).toBe(403);
  await analyze('ERROR secret', 'private', api.stranger);
  expect((await get('/container-logs/segments?container_id=private')).items).toHaveLength(2);
});

test('the output of an instance becomes segments of its container, for its owner', async () => {
  const { runid } = await startTask(contextOf(api.em, api.user));
  const logs = `insert into instance_logs (runid, seq, stream, line) values ($1, 1, 'stdout', 'INFO a'), ($1, 2, 'system', 'note'), ($1, 3, 'stderr', 'ERROR b')`;
  await query(api.em, logs, [runid]);
  const ask = (caller = api.user) => api.as(caller).post('/container-logs/analyze').send({ runid });
  expect((await ask()).status).toBe(409);
  await query(api.em, `update instances set status = 'lost', end_time = now() where runid = $1`, [runid]);
  expect((await ask(api.stranger)).status).toBe(404);
  expect((await ask()).body).toMatchObject({ stored: 2, source: { kind: 'instance', runid, container_id: `orch-${runid}` } });
  expect(
    (await get(`/container-logs/segments?runid=${runid}`, api.user)).items.map((s: { line_number: number }) => s.line_number).sort(),
  ).toEqual([1, 3]);
});

test('templates of messages, most frequent first; sources; containers nobody knows', async () => {
  await analyze('INFO got 1 of 2\nINFO got 3 of 4\nWARN x y z', 'shapes');
  expect((await get('/container-logs/templates?container_id=shapes')).items).toMatchObject([
    { template: 'got <*> of <*>', count: 2 },
    { template: 'x y z', count: 1 },
  ]);
  expect((await get('/container-logs/sources?container_id=shapes')).items).toMatchObject([{ status: 'ended', kind: 'text' }]);
  expect((await api.as(api.operator).get('/container-logs/segments/container/nobody')).status).toBe(404);
  expect((await api.as(api.operator).post('/container-logs/analyze').send({ container_id: 'nobody' })).status).toBe(404);
  const empty = await api.as(api.operator).post('/container-logs/analyze').send({ transport: 'auto' });
  expect(empty.status).toBe(422);
});
