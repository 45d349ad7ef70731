import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '2', WORKER_MEMORY_MB: '2000', LOST_AFTER_S: '30' });
  await query(room.fork(), `update queues set capacity = 7 where name = 'default'`);
});
afterAll(async () => {
  await room.close();
});

type Sample = { load: number; live: number; most: number };

/** What is held at one moment: load of the queue, live instances, and the fullest worker's share of its cores. */
async function sample(): Promise<Sample> {
  const [row] = await query<Sample>(
    room.fork(),
    `select (select current_load from queues where name = 'default') as load,
       (select count(*)::int4 from instances where status in ('starting', 'running')) as live,
       (select max(used_cpu / total_cpu)::float8 from workers) as most`,
  );
  return row as Sample;
}

test('two workers with a dispatcher each run 200 tasks once, never above capacity, and hold nothing at the end', async () => {
  await Promise.all([room.worker('left'), room.worker('right')]);
  await room.submit(Array.from({ length: 200 }, () => ({ template: 'empty' })));
  const samples: Sample[] = [];
  await eventually(
    async () => {
      samples.push(await sample());
      const [left] = await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from tasks where status <> 'completed'`);
      expect(left?.n).toBe(0);
    },
    { timeout_ms: 50_000, interval_ms: 20 },
  );
  expect(Math.max(...samples.map(({ load }) => load))).toBeLessThanOrEqual(7);
  expect(Math.max(...samples.map(({ live }) => live))).toBeLessThanOrEqual(7);
  expect(Math.max(...samples.map(({ most }) => most))).toBeLessThanOrEqual(1);
  expect(Math.max(...samples.map(({ live }) => live))).toBeGreaterThan(1);
  const attempts = await query<{ worker: string; n: number; first: number }>(
    room.fork(),
    `select worker, count(*)::int4 as n, max(attempt) as first from instances group by worker order by worker`,
  );
  expect(attempts.map(({ worker }) => worker)).toEqual(['left', 'right']);
  expect(attempts.reduce((sum, { n }) => sum + n, 0)).toBe(200);
  await room.expectClean();
}, 60_000);
