import { describeWithDocker, ensureTestImage, TEST_IMAGE, testDocker } from '../support/docker-image.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

const describeDocker = await describeWithDocker();
let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '4', WORKER_MEMORY_MB: '4000', LOST_AFTER_S: '60', HEARTBEAT_TIMEOUT_S: '30' });
});
afterAll(async () => {
  await room.close();
});

describeDocker('with Docker', () => {
  test('a container outlives its worker: it is not started twice and its log is complete and in order', async () => {
    await ensureTestImage();
    const first = await room.workerProcess('docker');
    const script = 'i=1; while [ $i -le 2000 ]; do echo $i; [ $((i % 50)) -eq 0 ] && sleep 0.1; i=$((i+1)); done';
    const [uuid] = await room.submit([
      { template: 'docker', parameters: { image: TEST_IMAGE, command: ['sh', '-c', script], pull: 'never' } },
    ]);
    await eventually(async () => expect((await room.lines(uuid as string)).length).toBeGreaterThan(100));
    const label = `orchestrator.task=${uuid}`;
    const [before] = await testDocker().listContainers({ filters: { label: [label] } });
    await first.kill('SIGKILL');
    await room.workerProcess('docker');
    const task = await room.untilTask(uuid as string, 'completed', 30_000);
    expect(task.result).toMatchObject({ exit_code: 0, container_id: before?.Id });
    const instances = await room.instances(uuid as string);
    expect(instances.map(({ status }) => status)).toEqual(['completed']);
    expect(instances[0]?.lease_epoch).toBeGreaterThan(1);
    expect(await room.lines(uuid as string)).toEqual(Array.from({ length: 2000 }, (_, i) => String(i + 1)));
    expect(await testDocker().listContainers({ all: true, filters: { label: [label] } })).toEqual([]);
    await room.expectClean();
  }, 60_000);
});
