import { performance } from 'node:perf_hooks';
import { dropOldDays } from '../../commands/drop-old-days.ts';
import { ensurePartitions } from '../../entities/detection-record.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { makeSession } from '../support/detections.ts';
import { countOf } from '../support/factories.ts';

const RECORDS = 1_000_000;
const CAMERAS = 20;
const DAYS = 5;
const DAY_MS = 86_400_000;
const START = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAYS * DAY_MS;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
  await ensurePartitions(
    api.em,
    Array.from({ length: DAYS }, (_, n) => START + n * DAY_MS),
  );
  const sessions: number[] = [];
  for (let n = 0; n < CAMERAS; n++) sessions.push(await makeSession(api.em, api.user.id, { camera_id: `cam-${n}` }));
  await query(api.em, 'set statement_timeout = 0');
  await query(
    api.em,
    `insert into detection_records (camera_id, session_id, frame_number, timestamp, person_count, hairnet_violations, saved_for, objects)
     select 'cam-' || n % $1, ($2::int8[])[n % $1 + 1], n / $1, to_timestamp($3::float8 / 1000) + n * ($4::float8 / $5) * interval '1 millisecond', n % 7,
       case when n / $1 % 50 = 0 then 1 else 0 end, 'sample', jsonb_build_array(jsonb_build_object('track_id', (n % 9)::text, 'label', 'person', 'score', 0.9,
       'box', jsonb_build_array(n % 640, n % 480, 60, 160), 'violations', '[]'::jsonb))
     from generate_series(0, $5::int4 - 1) n`,
    [CAMERAS, sessions, START, DAYS * DAY_MS, RECORDS],
  );
  await query(api.em, 'vacuum analyze detection_records');
}, 600_000);
afterAll(async () => await api.stop(), 120_000);

const percentile = (values: number[], p: number): number => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * p)] ?? 0;

const HOUR_MS = 3_600_000;

/** How long the API takes for pages of some camera at some time, each with at least one record. */
async function pages(query_of: (at: string, later: string) => string): Promise<number[]> {
  const times: number[] = [];
  const span = DAYS * DAY_MS - 4 * HOUR_MS;
  for (let n = 0; n < 200; n++) {
    const at = START + 2 * HOUR_MS + ((n * 7_919) % 1_000) * (span / 1_000);
    const [from, later] = [new Date(at).toISOString(), new Date(at + HOUR_MS).toISOString()];
    const begun = performance.now();
    const { status, body } = await api.as(api.user).get(`/records?camera_id=cam-${n % CAMERAS}&limit=50&${query_of(from, later)}`);
    times.push(performance.now() - begun);
    expect([status, body.detail, body.items?.length > 0]).toEqual([200, undefined, true]);
  }
  return times;
}

it('pages a million records by camera and time in less than 100 ms, p95', async () => {
  expect(await countOf(api.em, 'detection_records')).toBe(RECORDS);
  const newest = await pages((at) => `until=${at}`);
  const window = await pages((at, later) => `from=${at}&until=${later}`);
  const violating = await pages((at) => `until=${at}&has_violations=true`);
  const figures = Object.entries({ newest, window, violating }).map(
    ([name, times]) => `${name}: p50 ${percentile(times, 0.5).toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms`,
  );
  process.stdout.write(`${figures.join('; ')}\n`);
  for (const times of [newest, window, violating]) expect(percentile(times, 0.95)).toBeLessThan(100);
}, 300_000);

it('removes a day of it in less than a second', async () => {
  let rows = 0;
  const counted = async (_em: Em, n: number) => {
    rows += n;
  };
  const begun = performance.now();
  await dropOldDays(new Date(START + DAY_MS), {
    fork: () => api.database.orm.em.fork() as Em,
    signal: new AbortController().signal,
    archive: null,
    counted,
  });
  const ms = performance.now() - begun;
  process.stdout.write(`a day of ${rows} records removed in ${ms.toFixed(0)} ms\n`);
  expect(rows).toBe(RECORDS / DAYS);
  expect(ms).toBeLessThan(1_000);
  expect(await countOf(api.em, 'detection_records')).toBe(RECORDS - RECORDS / DAYS);
}, 60_000);
