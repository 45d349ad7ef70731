import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
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
  await room.worker('w1');
});
afterAll(async () => {
  await connection.close();
  await room.close();
});

test('an operator who cancels the workflow in Temporal cancels the task, and the workflow shows it', async () => {
  const uuid = await room.submitShell('sleep 60');
  await room.untilInstance(uuid, 'running');
  await client.workflow.getHandle(await room.workflowOf(uuid)).cancel();
  await room.untilTask(uuid, 'cancelled');
  await eventually(async () => expect((await room.workflow(await room.workflowOf(uuid))).status).toBe('CANCELLED'));
  await room.expectClean();
});

test('an operator who terminates the workflow in Temporal stops the work and cancels the task', async () => {
  const uuid = await room.submitShell('sleep 300.0719');
  await room.untilInstance(uuid, 'running');
  await client.workflow.getHandle(await room.workflowOf(uuid)).terminate('by an operator');
  await room.untilTask(uuid, 'cancelled');
  await eventually(async () => expect(await room.processesWith('sleep 300.0719')).toEqual([]));
  await room.expectClean();
});

test('a second process with the same worker id takes over, and the first one stops itself', async () => {
  const first = await room.workerProcess('twin', { POOL: 'aside' });
  const folder = await mkdtemp(path.join(tmpdir(), 'twin-'));
  // Each instance may have a user of its own. Only the first takes long: longer than a second process needs to start.
  await chmod(folder, 0o777);
  const uuid = await room.submitAside(`mkdir '${folder}/begun' || exit 0; sleep 60`);
  await room.untilInstance(uuid, 'running');
  const second = await room.workerProcess('twin', { POOL: 'aside' });
  expect(await first.exited).toBe(0);
  expect(first.log).toContain('another process was started with this worker id');
  await room.untilTask(uuid, 'completed', 45_000);
  await rm(folder, { recursive: true });
  // Once, or twice where the first process still took the next attempt up before it noticed.
  const statuses = (await room.instances(uuid)).map(({ status }) => status).join();
  expect(statuses).toMatch(/^(lost,){1,2}completed$/);
  await second.kill('SIGTERM');
  expect(await room.workerStatus('twin')).toBe('offline');
  await room.expectClean();
}, 70_000);
