import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000' });
});
afterAll(async () => {
  await room.close();
});

test('shell tasks under a worker that is killed run again after its restart, each once at a time, and all complete', async () => {
  const first = await room.workerProcess('killed');
  const uuids = await Promise.all([1, 2, 3, 4, 5].map((n) => room.submitShell(`sleep 2.${n}7731`)));
  await Promise.all(uuids.map((uuid) => room.untilInstance(uuid, 'running')));
  await first.kill('SIGKILL');
  await room.workerProcess('killed');
  for (const uuid of uuids) await room.untilTask(uuid, 'completed', 20_000);
  for (const uuid of uuids) expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['lost', 'completed']);
  expect(await room.processesWith('sleep 2.[0-9]7731')).toEqual([]);
  await room.expectClean();
}, 40_000);

test('a worker that is stopped for longer than lost_after loses its work, and its late writes change nothing', async () => {
  const frozen = await room.workerProcess('frozen', { POOL: 'aside', WORKER_DISPATCHER: 'off' });
  await room.worker('watching', { POOL: 'default' });
  const uuid = await room.submitAside('i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); sleep 0.0191; done');
  await room.untilInstance(uuid, 'running');
  await frozen.kill('SIGSTOP');
  await eventually(async () => expect((await room.instances(uuid))[0]?.status).toBe('lost'), { timeout_ms: 20_000 });
  const lines = (await room.lines(uuid)).length;
  expect(await room.task(uuid)).toMatchObject({ status: 'queued', retries_used: 0 });
  expect(await room.workerStatus('frozen')).toBe('offline');
  await frozen.kill('SIGCONT');
  await room.untilInstance(uuid, 'running');
  await eventually(async () => expect((await room.processesWith('sleep 0.0191')).length).toBeLessThan(2));
  const [lost] = await room.instances(uuid);
  expect(lost).toMatchObject({ status: 'lost', code: 'worker_lost', log_lines: lines });
  await room.cancel(uuid);
  await room.untilTask(uuid, 'cancelled');
  await frozen.kill('SIGTERM');
  await room.expectClean();
}, 50_000);
