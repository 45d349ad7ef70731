import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { IN_WAVES, openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000', TASK_LOG_CAP_BYTES: '12000' });
  await room.worker('w1');
  await query(room.fork(), `insert into queues (name, pool, capacity, status) values ('closed', 'default', 1, 'hold')`);
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

(IN_WAVES ? test.skip : test)('a task that fails keeps its code, and Temporal shows the workflow as failed', async () => {
  const uuid = await room.submitShell('exit 3');
  const task = await room.untilTask(uuid, 'failed');
  expect(task.error).toMatchObject({ code: 'exit_code', details: { exit_code: 3 } });
  const description = await eventually(async () => {
    const workflow = await room.workflow(`task/${uuid}/1`);
    expect(workflow).toMatchObject({ status: 'FAILED', type: 'shellTask' });
    return workflow;
  });
  expect(description.attributes).toMatchObject({ OrchTaskId: [uuid], OrchQueue: ['default'], OrchEngine: ['shell'], OrchUser: ['admin'] });
  expect(description.summary).toContain('shell');
});

test('a running task that is cancelled stops within seconds and is cancelled', async () => {
  const uuid = await room.submitShell('sleep 60');
  await room.untilInstance(uuid, 'running');
  await room.cancel(uuid);
  await room.untilTask(uuid, 'cancelled', 5_000);
  expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['cancelled']);
  await room.expectClean();
});

test('a cancellation with no grace kills work that would not listen', async () => {
  const uuid = await room.submitShell('trap "" TERM; echo ready; while :; do sleep 0.05; done');
  await room.untilInstance(uuid, 'running');
  await cancelTask(room.context(), uuid, { reason: 'now', grace_s: 0 });
  await room.untilTask(uuid, 'cancelled', 4_000);
  await room.expectClean();
});

test('a task whose total time-out ends while it runs is stopped, for good, whatever its retry policy', async () => {
  await room.template('tireless', {
    engine: 'shell',
    retry_policy: { max_attempts: 9, initial_s: 0, factor: 1, max_s: 1, jitter: 0, codes: null },
  });
  const [uuid] = await room.submit([{ template: 'tireless', parameters: { script: 'sleep 60' }, total_timeout_s: 2 }]);
  const task = await room.untilTask(uuid as string, 'failed');
  expect(task).toMatchObject({ status_reason: 'total_timeout', attempt: 1 });
  expect((await room.instances(uuid as string)).map(({ status, code }) => [status, code])).toEqual([['timed_out', 'total_timeout']]);
  await room.expectClean();
});

test('a chain of tasks runs link by link, and what waits for a failure never does', async () => {
  const [, second, third, fourth] = await room.submit([
    { template: 'shell', parameters: { script: 'true' }, ref: 'a' },
    { template: 'shell', parameters: { script: 'exit 1' }, ref: 'b', after: [{ ref: 'a', condition: 'succeeded' }] },
    { template: 'shell', parameters: { script: 'true' }, ref: 'c', after: [{ ref: 'b', condition: 'succeeded' }] },
    { template: 'shell', parameters: { script: 'true' }, after: [{ ref: 'c', condition: 'done' }] },
  ]);
  await room.untilTask(fourth as string, 'completed');
  expect((await room.task(second as string)).status).toBe('failed');
  expect(await room.task(third as string)).toMatchObject({ status: 'cancelled', status_reason: 'dependency_failed' });
  await room.expectClean();
});

test('a task that waits in a held queue for longer than it may fails there', async () => {
  const [uuid] = await room.submit([{ template: 'shell', parameters: { script: 'true' }, queue: 'closed', queue_timeout_s: 1 }]);
  expect(await room.untilTask(uuid as string, 'failed')).toMatchObject({ status_reason: 'queue_timeout', attempt: 0 });
});

test('a queued task that is cancelled never runs', async () => {
  const [uuid] = await room.submit([
    { template: 'shell', parameters: { script: 'true' }, not_before: new Date(Date.now() + 60_000).toISOString() },
  ]);
  await room.cancel(uuid as string);
  await room.untilTask(uuid as string, 'cancelled');
  expect(await room.instances(uuid as string)).toEqual([]);
});

test('a task that runs longer than its time-out is stopped and fails with timed_out', async () => {
  const uuid = await room.submitShell('echo begun; sleep 60', { timeout: 1 });
  const task = await room.untilTask(uuid, 'failed');
  expect(task.error).toMatchObject({ code: 'timed_out' });
  expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['timed_out']);
  expect(await room.lines(uuid)).toEqual(['begun']);
  await room.expectClean();
});

test('a failed attempt is followed by others with growing pauses until the policy is used up', async () => {
  await room.template('shaky', {
    engine: 'shell',
    retry_policy: { max_attempts: 3, initial_s: 0.3, factor: 2, max_s: 5, jitter: 0, codes: null },
  });
  const [uuid] = await room.submit([{ template: 'shaky', parameters: { script: 'exit 1' } }]);
  const task = await room.untilTask(uuid as string, 'failed');
  expect(task).toMatchObject({ attempt: 3, retries_used: 2 });
  const attempts = await room.instances(uuid as string);
  expect(attempts.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed']);
  await room.expectClean();
});

test('output beyond the cap is cut, counted exactly, and its end is kept', async () => {
  const uuid = await room.submitShell('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done');
  await room.untilTask(uuid, 'completed');
  const [instance] = await room.instances(uuid);
  const stored = await room.lines(uuid);
  expect(stored).toEqual(Array.from({ length: stored.length }, (_, i) => `line ${i}`));
  expect(stored.length).toBeLessThan(3000);
  expect(instance?.log_lines_cut).toBe(3000 - stored.length);
  expect(await room.systemLines(uuid)).toContainEqual(expect.stringContaining(`log cut: ${3000 - stored.length} lines`));
  expect(instance?.logs).toContain('line 2999\n');
});

test('an instance whose dispatcher died between admission and start is started by another', async () => {
  await query(room.fork(), `update queues set status = 'hold' where name = 'default'`);
  const uuid = await room.submitShell('echo started late');
  await query(room.fork(), `update queues set status = 'active' where name = 'default'`);
  const mine = await admit(room.fork());
  await room.untilTask(uuid, 'completed');
  expect(await room.lines(uuid)).toEqual(['started late']);
  expect((await room.instances(uuid)).length).toBe(1);
  expect(mine.length).toBeLessThanOrEqual(1);
  await room.expectClean();
});

test('workers say goodbye when they are stopped, and what ran on them queues again free of charge', async () => {
  const second = await room.worker('w2', { POOL: 'aside' });
  const uuid = await room.submitAside('sleep 30');
  await room.untilInstance(uuid, 'running');
  await second.stop();
  expect((await room.instances(uuid)).map(({ status, code }) => [status, code])).toEqual([['lost', 'worker_shutdown']]);
  expect(await room.task(uuid)).toMatchObject({ status: 'queued', retries_used: 0 });
  expect(await room.workerStatus('w2')).toBe('offline');
  await room.cancel(uuid);
  await room.expectClean();
});
