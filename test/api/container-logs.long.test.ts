import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

const SEGMENTS = 1_000_000;
const CHUNK = 50_000;
const ASKED = 60;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
  await query(api.em, `select ensure_segment_partition(now() - make_interval(months => m)) from generate_series(0, 2) m`);
  for (let at = 0; at < SEGMENTS; at += CHUNK) {
    await query(
      api.em,
      `insert into container_log_segment (source_id, container_id, container_name, segment_type, severity_level, severity_number, content, component, logged_at, timestamp,
         filed_at, line_number, line_count, format, detect_source)
       select g % 50 + 1, 'c' || g % 50, 'name-' || g % 50, t.type, t.level, t.number, 'request ' || g || ' of user ' || g % 977 || ' took ' || g % 331 || ' ms, order ' || md5(g::text),
         'com.example.Part' || g % 20, now() - g * interval '5 seconds', now() - g * interval '5 seconds', now() - g * interval '5 seconds', g, 1, 'log4j', 'header'
       from generate_series($1::int8, $2::int8) g,
         lateral (select case when g % 100 = 0 then 'error' when g % 20 = 0 then 'warning' when g % 3 = 0 then 'debug' else 'info' end as type) k,
         lateral (select k.type, k.type as level, case k.type when 'error' then 17 when 'warning' then 13 when 'debug' then 5 else 9 end as number) t`,
      [at + 1, at + CHUNK],
    );
  }
  await query(api.em, 'vacuum analyze container_log_segment');
}, 900_000);
afterAll(async () => await api.stop());

const p95 = (times: number[]): number => times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1] as number;

async function measure(path: (i: number) => string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ASKED + 5; i++) {
    const url = path(i);
    const began = performance.now();
    const answer = await api.as(api.operator).get(url);
    if (i >= 5) times.push(performance.now() - began);
    expect([url, answer.status]).toEqual([url, 200]);
  }
  return p95(times);
}

const day = (i: number): string => new Date(Date.now() - (i % 50) * 86_400_000).toISOString();

test.each<[string, (i: number) => string]>([
  ['by container', (i) => `/container-logs/segments/container/c${i % 50}`],
  ['by type', (i) => `/container-logs/segments/type/${['error', 'warning', 'info', 'debug'][i % 4]}`],
  ['by time', (i) => `/container-logs/segments?from=${day(i + 1)}&to=${day(i)}`],
  ['by container, type and time', (i) => `/container-logs/segments?container_id=c${i % 50}&type=error&from=${day(i + 9)}&to=${day(i)}`],
  ['by severity', () => '/container-logs/segments?severity=error'],
  ['statistics', (i) => `/container-logs/stats?by=container&max_age_s=0&from=${day(i + 30)}`],
  ['trend', (i) => `/container-logs/trend?max_age_s=0&container_id=c${i % 50}`],
])(
  '%s: 95 of 100 answers within 100 ms on 1,000,000 segments',
  async (name, path) => {
    const ms = await measure(path);
    process.stdout.write(`${name}: p95 ${ms.toFixed(1)} ms\n`);
    expect(ms).toBeLessThan(100);
  },
  120_000,
);

test('a rare text is found by its index, not by reading everything', async () => {
  const ms = await measure((i) => `/container-logs/segments?q=request%20${i * 1_013 + 7}%20of`);
  process.stdout.write(`by rare text: p95 ${ms.toFixed(1)} ms\n`);
  expect(ms).toBeLessThan(500);
}, 120_000);

test('statistics and trend add up to the segments', async () => {
  const stats = (await api.as(api.operator).get('/container-logs/stats?max_age_s=0')).body;
  const trend = (await api.as(api.operator).get('/container-logs/trend?max_age_s=0')).body;
  expect([stats.total, trend.total]).toEqual([SEGMENTS, SEGMENTS]);
});
