import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000' });
  await room.worker('w1');
});
afterAll(async () => {
  await room.close();
});

test('a shell task runs from submission to its stored result and log', async () => {
  const uuid = await room.submitShell('echo one; echo two >&2; echo three');
  const task = await room.untilTask(uuid, 'completed');
  expect(task.result).toMatchObject({ exit_code: 0 });
  expect((await room.lines(uuid)).sort()).toEqual(['one', 'three', 'two']);
  await room.expectClean();
});
