import { registerWorker, workerHeartbeat } from '../../commands/register-worker.ts';
import { query } from '../../entities/sql.ts';
import { openRoom, type Room } from '../e2e/room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(async () => {
  await room.close();
});

const [FIRST, SECOND] = ['01a1fd80-0000-4000-8000-000000000001', '01a1fd80-0000-4000-8000-000000000002'];
const registration = {
  id: 'w1',
  pool: 'default',
  hostname: 'here',
  pid: 1,
  boot_id: FIRST,
  version: 'test',
  total_cpu: 2.5,
  total_memory: 1_000,
  engines: ['shell'],
  unavailable: { docker: 'no daemon' },
  docker_id: null,
};
const beat = (boot_id: string, leaving = false) => workerHeartbeat(room.fork(), { ...registration, boot_id, leaving });

test('the latest start of a worker owns its id, and the earlier one learns it with its next sign of life', async () => {
  await registerWorker(room.fork(), registration);
  expect(await beat(FIRST)).toBe('active');
  await registerWorker(room.fork(), { ...registration, boot_id: SECOND, total_cpu: 4 });
  expect(await beat(FIRST)).toBe('replaced');
  expect(await beat(SECOND)).toBe('active');
});

test('a worker that leaves is offline while it still shows signs of life, and active again after its next start', async () => {
  expect(await beat(SECOND, true)).toBe('offline');
  expect(await beat(SECOND, true)).toBe('offline');
  await registerWorker(room.fork(), { ...registration, boot_id: SECOND });
  expect(await room.workerStatus('w1')).toBe('active');
});

test('a worker that was told to drain stays so through a restart', async () => {
  await query(room.fork(), `update workers set status = 'drain' where id = 'w1'`);
  await registerWorker(room.fork(), registration);
  expect(await beat(FIRST)).toBe('drain');
  expect(await beat(FIRST, true)).toBe('drain');
});

test('a worker of a pool that does not exist is refused by name', async () => {
  await expect(registerWorker(room.fork(), { ...registration, id: 'w2', pool: 'nowhere' })).rejects.toThrow('there is no pool "nowhere"');
});
