import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

/** So long that no poll helps within the test. */
const POLL_EVERY_S = '60';
const INTERVAL_MS = 250;
const BURST = 2;
const TASKS = 10;

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '8', WORKER_MEMORY_MB: '8000', LOST_AFTER_S: '30', POLL_EVERY_S });
});
afterAll(async () => {
  await room.close();
});

const started = () =>
  query<{ at: number }>(
    room.fork(),
    `select extract(epoch from i.created_at)::float8 * 1000 as at from instances i join tasks t on t.uuid = i.task_id where t.template = 'limited' order by 1`,
  );

test('tasks start when their tokens come, with two dispatchers and without a poll', async () => {
  await Promise.all([room.worker('left'), room.worker('right')]);
  await room.template('limited', { engine: 'empty' });
  await query(
    room.fork(),
    `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, rate_limit)
     select template, 2, schema, parameters, queue, cpu, memory_mb, retry_policy, $1::jsonb from template_versions where template = 'limited'`,
    [JSON.stringify({ key: null, limit: 1000 / INTERVAL_MS, per_s: 1, burst: BURST })],
  );
  await query(room.fork(), `update templates set current_version = 2 where name = 'limited'`);
  await room.submit(Array.from({ length: TASKS }, () => ({ template: 'limited' })));
  const times = await eventually(
    async () => {
      const rows = await started();
      expect(rows).toHaveLength(TASKS);
      return rows.map(({ at }) => at);
    },
    { timeout_ms: 40_000 },
  );
  times.forEach((from, first) => {
    times.slice(first).forEach((until, n) => {
      expect(n + 1).toBeLessThanOrEqual(BURST + (until - from + 2) / INTERVAL_MS);
    });
  });
  await eventually(async () => expect(await query(room.fork(), `select uuid from tasks where status <> 'completed'`)).toEqual([]), {
    timeout_ms: 20_000,
  });
  await room.expectClean();
}, 60_000);
