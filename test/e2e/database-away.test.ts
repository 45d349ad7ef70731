import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { CuttableProxy } from './cuttable-proxy.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
let proxy: CuttableProxy;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '8', WORKER_MEMORY_MB: '8000', LOG_LEVEL: 'fatal', LOST_AFTER_S: '8' });
  const url = new URL(room.db.url);
  proxy = new CuttableProxy({ host: url.hostname, port: Number(url.port) });
  url.hostname = '127.0.0.1';
  url.port = String(await proxy.listen());
  room.database_url = url.href;
  await room.worker('w1');
});
afterAll(async () => {
  proxy.mend();
  await room.close();
  await proxy.close();
});

const counting = 'i=1; while [ $i -le 400 ]; do echo $i; i=$((i+1)); sleep 0.0113; done';

test('while the database is away for a short time the work goes on, and its log and result are complete', async () => {
  const uuid = await room.submitShell(counting);
  await eventually(async () => expect((await room.lines(uuid)).length).toBeGreaterThan(5));
  proxy.cut();
  await pause(3_000);
  proxy.mend();
  await room.untilTask(uuid, 'completed', 20_000);
  expect((await room.instances(uuid)).map(({ status, lease_epoch }) => [status, lease_epoch])).toEqual([['completed', 1]]);
  expect(await room.lines(uuid)).toEqual(Array.from({ length: 400 }, (_, i) => String(i + 1)));
  await room.expectClean();
}, 40_000);

test('a worker that cannot reach the database for most of lost_after stops its work itself; the task then runs again', async () => {
  const uuid = await room.submitShell('echo begun; sleep 300.0417');
  await eventually(async () => expect(await room.lines(uuid)).toEqual(['begun']));
  proxy.cut();
  await eventually(async () => expect(await room.processesWith('sleep 300.0417')).toEqual([]), { timeout_ms: 15_000 });
  expect((await room.instances(uuid))[0]).toMatchObject({ status: 'running' });
  proxy.mend();
  await eventually(async () => expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['lost', 'running']), {
    timeout_ms: 20_000,
  });
  expect(await room.task(uuid)).toMatchObject({ retries_used: 0 });
  await room.cancel(uuid);
  await room.untilTask(uuid, 'cancelled');
  await room.expectClean();
}, 55_000);
