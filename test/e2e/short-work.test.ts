import { Client, Connection } from '@temporalio/client';
import { temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000' });
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection, namespace: room.namespace });
});
afterAll(async () => {
  await connection.close();
  await room.close();
});

/** Ids of the activities that Temporal was asked to schedule, and whether there is a marker of a local one. */
async function activitiesOf(workflow_id: string): Promise<{ scheduled: string[]; local: boolean }> {
  const { events } = await client.workflow.getHandle(workflow_id).fetchHistory();
  return {
    scheduled: (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: a }) => (a?.activityId ? [a.activityId] : [])),
    local: (events ?? []).some(({ markerRecordedEventAttributes: a }) => a),
  };
}

test('short work is done within the first step of its workflow', async () => {
  await room.worker('w1');
  const uuid = await room.submitShell('echo done');
  await room.untilTask(uuid, 'completed');
  await eventually(async () => expect((await room.workflow(`task/${uuid}/1`)).status).toBe('COMPLETED'));
  expect(await activitiesOf(`task/${uuid}/1`)).toEqual({ scheduled: [], local: true });
  expect(await room.lines(uuid)).toEqual(['done']);
});

test('work that takes longer goes on, in the same execution, under an activity through which it can be cancelled', async () => {
  const uuid = await room.submitShell('echo begun; sleep 60');
  await eventually(async () => expect((await activitiesOf(`task/${uuid}/1`)).scheduled).toEqual(['engine']));
  expect((await room.instances(uuid)).map(({ status, lease_epoch }) => ({ status, lease_epoch }))).toEqual([
    { status: 'running', lease_epoch: 1 },
  ]);
  await client.workflow.getHandle(`task/${uuid}/1`).cancel();
  await room.untilTask(uuid, 'cancelled');
  expect(await room.lines(uuid)).toEqual(['begun']);
  await room.expectClean();
});

test.each([
  ['that ends within the grace is completed', '0.2', ['completed']],
  ['that does not is ended as lost and queues again', '8', ['lost']],
])(
  'work in its first step when its worker is stopped, %s',
  async (_, seconds, statuses) => {
    const id = `stopped-${statuses[0]}`;
    const worker = await room.worker(id, { POOL: 'aside' });
    const uuid = await room.submitAside(`sleep ${seconds}`);
    await room.untilInstance(uuid, 'running');
    await worker.stop();
    expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(statuses);
    await room.cancel(uuid).catch(() => undefined);
    await room.expectClean();
  },
  30_000,
);
