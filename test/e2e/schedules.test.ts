import { createSchedule } from '../../commands/create-schedule.ts';
import { findMissed } from '../../commands/find-missed.ts';
import { pauseSchedule } from '../../commands/pause-schedule.ts';
import { createEngines } from '../../engines/index.ts';
import { query } from '../../entities/sql.ts';
import { ScheduleCreation } from '../../schemas/schedule.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '4', WORKER_MEMORY_MB: '4000' });
});
afterAll(async () => {
  await room.close();
});

const engines = () => createEngines(room.config());
const schedule = async (name: string, more: object = {}): Promise<string> => {
  const each = { cron: '* * * * * *', seconds: true, overlap: 'allow', overlap_max: 10_000, catchup: 'all', catchup_max: 1_000 };
  const creation = ScheduleCreation.parse({ name, template: 'shell', parameters: { script: 'true' }, ...each, ...more });
  return (await createSchedule(room.context(), creation, engines())).id;
};

type Ledger = { fires: number; seconds: number; tasks: number; submitted: number; odd: number };

/** Rows, seconds from the first to the last one, tasks named by rows, tasks in all, and rows that did not run. */
async function ledger(id: string): Promise<Ledger> {
  const [row] = await query<Ledger>(
    room.fork(),
    `select count(*)::int4 as fires, (extract(epoch from max(nominal_at) - min(nominal_at)) + 1)::int4 as seconds, count(distinct task_id)::int4 as tasks,
       (select count(*)::int4 from tasks where source_id = $1) as submitted, count(*) filter (where outcome <> 'ran')::int4 as odd
     from occurrences where schedule_id = $1`,
    [id],
  );
  return row as Ledger;
}

test('a task of a schedule runs to its end', async () => {
  const worker = await room.worker('runner');
  const id = await schedule('quick', { max_runs: 2, parameters: { script: 'echo {{nominal_at}}' } });
  const [first, second] = await eventually(
    async () => {
      const sql = `select uuid, o.nominal_at from tasks join occurrences o on o.task_id = uuid where source_id = $1 and status = 'completed' order by o.nominal_at`;
      const tasks = await query<{ uuid: string; nominal_at: string }>(room.fork(), sql, [id]);
      expect(tasks.length).toBe(2);
      return tasks;
    },
    { timeout_ms: 20_000 },
  );
  for (const task of [first, second]) expect(await room.lines(task?.uuid ?? '')).toEqual([new Date(task?.nominal_at ?? 0).toISOString()]);
  await worker.stop();
  await room.expectClean();
}, 40_000);

/** Until each has fired once more. */
async function untilFired(ids: string[]): Promise<void> {
  for (const id of ids) {
    const { fires } = await ledger(id);
    await eventually(async () => expect((await ledger(id)).fires).toBeGreaterThan(fires), { timeout_ms: 30_000, interval_ms: 20 });
  }
}

test('with dispatchers that are killed across fire times the ledger is complete, and no fire happens twice', async () => {
  await query(room.fork(), `update queues set status = 'hold'`);
  const ids = [await schedule('left'), await schedule('right')];
  let victim = await room.workerProcess('victim');
  const steady = await room.workerProcess('steady');
  for (let kills = 0; kills < 3; kills += 1) {
    await untilFired(ids);
    await victim.kill('SIGKILL');
    if (kills === 1) await steady.kill('SIGKILL');
    victim = await room.workerProcess('victim');
  }
  await untilFired(ids);
  for (const id of ids) await pauseSchedule(room.context(), { id, reason: null }, engines());
  for (const id of ids) {
    const { fires, seconds, tasks, submitted, odd } = await ledger(id);
    expect({ fires, tasks, submitted, odd }).toEqual({ fires: seconds, tasks: seconds, submitted: seconds, odd: 0 });
    expect(await findMissed(room.fork(), id)).toBe(0);
  }
  await victim.kill('SIGTERM');
}, 120_000);
