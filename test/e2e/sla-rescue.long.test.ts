import { refreshRunTimes } from '../../commands/refresh-run-times.ts';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { breaches, makeSla } from '../support/slas.ts';
import { openRoom, type Room } from './room.ts';

const LIMIT_S = 8;
const BACKLOG = 30;

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '8', WORKER_MEMORY_MB: '8000' });
  await query(room.fork(), `insert into queues (name, capacity, pool) values ('line', 1, 'default')`);
  await room.template('steady', { engine: 'shell' });
  await room.worker('runner');
});
afterAll(async () => await room.close());

const steady = { template: 'steady', parameters: { script: 'sleep 0.4' } };
const ended = async (uuids: string[]): Promise<unknown> =>
  await eventually(
    async () => {
      const [row] = await query<{ n: number }>(
        room.fork(),
        `select count(*)::int4 as n from tasks where uuid = any($1) and status = 'completed'`,
        [uuids],
      );
      expect(row?.n).toBe(uuids.length);
    },
    { timeout_ms: 90_000, interval_ms: 200 },
  );

type Run = { took_s: number; told: string[]; warned_s: number | null };

/** A task with a promise behind a backlog that is too long for it; `actions` follow the warning. */
async function behindBacklog(actions: object[]): Promise<Run> {
  const conditions = [
    { kind: 'total_time', name: 'in_time', limit_s: LIMIT_S },
    { kind: 'at_risk', name: 'risk', of: 'in_time' },
  ];
  const sla_id = await makeSla(room.context(), conditions, { actions });
  const backlog = await room.submit(Array.from({ length: BACKLOG }, () => ({ ...steady, queue: 'line' })));
  const [uuid = ''] = await room.submit([{ ...steady, queue: 'line', sla_id }]);
  await ended([...backlog, uuid]);
  const own = (await breaches(room.fork())).filter(({ subject }) => subject === `task:${uuid}`);
  const [row] = await query<{ took_s: number; warned_s: number | null }>(
    room.fork(),
    `select extract(epoch from t.completed_at - t.eligible_at)::float8 as took_s, (
       select extract(epoch from b.fired_at - t.eligible_at)::float8 from breaches b where b.task_id = t.uuid and b.condition = 'risk') as warned_s
     from tasks t where uuid = $1`,
    [uuid],
  );
  return { took_s: row?.took_s ?? 0, warned_s: row?.warned_s ?? null, told: own.map(({ condition }) => condition).sort() };
}

test('a task that would miss its promise in a full queue is warned of before, moves forward and keeps it', async () => {
  await ended(await room.submit(Array.from({ length: 12 }, () => steady)));
  await refreshRunTimes(room.fork());
  const left = await behindBacklog([]);
  const helped = await behindBacklog([{ do: 'escalate_priority', to: 100, condition: 'risk' }]);
  process.stderr.write(
    `rescue: without an action ${left.took_s.toFixed(1)} s, warned after ${left.warned_s?.toFixed(1)} s; escalated ${helped.took_s.toFixed(1)} s\n`,
  );
  expect(left.took_s).toBeGreaterThan(LIMIT_S);
  expect(left.told).toEqual(['in_time', 'risk']);
  expect(left.warned_s).toBeLessThan(LIMIT_S);
  expect(helped.took_s).toBeLessThan(LIMIT_S);
  expect(helped.told).toEqual(['risk']);
  await room.expectClean();
}, 180_000);
