import { query } from '../../entities/sql.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000' });
  await room.worker('w1');
});
afterAll(async () => {
  await room.close();
});

/** As a crash of the database server leaves it that loses the end of its log: no trigger is asked. */
async function undo(statements: readonly string[], uuid: string): Promise<void> {
  await room.fork().transactional(async (em) => {
    await query(em as never, `set local session_replication_role = replica`);
    for (const statement of statements) await query(em as never, statement, [uuid]);
  });
}

const CLAIM = [
  `delete from task_history where task_id = $1 and to_status = 'running'`,
  `update instances set status = 'starting', lease_epoch = 0, boot_id = null, temporal_run_id = null, heartbeat_at = null, start_time = null where task_id = $1`,
  `update tasks set started_at = null where uuid = $1`,
];

const ADMISSION = [
  `update queues set current_load = current_load - 1 where name = (select queue from tasks where uuid = $1)`,
  `with g as (select g.* from grants g join instances i on i.runid = g.runid where i.task_id = $1)
   update pools set used_cpu = used_cpu - g.cpu, used_memory = used_memory - g.memory_mb, seq = seq - 1 from g where name = g.pool`,
  `with g as (select g.* from grants g join instances i on i.runid = g.runid where i.task_id = $1)
   update workers set used_cpu = used_cpu - g.cpu, used_memory = used_memory - g.memory_mb from g where id = g.worker`,
  `delete from grants where runid in (select runid from instances where task_id = $1)`,
  `delete from instances where task_id = $1`,
  `delete from task_history where task_id = $1 and to_status <> 'queued'`,
  `update tasks set status = 'queued', attempt = 0, started_at = null where uuid = $1`,
];

test('a claim that the database server lost in a crash is made again, after the work of the first one is gone', async () => {
  const uuid = await room.submitShell('echo begun; sleep 2.0173');
  await room.untilInstance(uuid, 'running');
  await undo(CLAIM, uuid);
  await room.untilTask(uuid, 'completed', 30_000);
  const statuses = (await room.instances(uuid)).map(({ status }) => status);
  expect(statuses.at(-1)).toBe('completed');
  expect(statuses.slice(0, -1).every((status) => status === 'lost')).toBe(true);
  expect(await room.processesWith('sleep 2.0173')).toEqual([]);
  await room.expectClean();
}, 40_000);

test('an admission that the database server lost in a crash is made again, and its task ends once', async () => {
  const uuid = await room.submitShell('sleep 2.0271');
  await room.untilInstance(uuid, 'running');
  await undo(ADMISSION, uuid);
  await room.untilTask(uuid, 'completed', 40_000);
  const instances = await room.instances(uuid);
  expect(instances.filter(({ status }) => status === 'completed')).toHaveLength(1);
  expect(await room.processesWith('sleep 2.0271')).toEqual([]);
  await room.expectClean();
}, 60_000);
