import { Client, Connection } from '@temporalio/client';
import { query } from '../../entities/sql.ts';
import { temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '64', WORKER_MEMORY_MB: '64000' });
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection, namespace: room.namespace });
});

/** A template of its own for each test: how long its tasks take decides whether there are waves. */
let template = '';
let made = 0;
beforeEach(async () => {
  made += 1;
  template = `quick-${made}`;
  await room.template(template, { engine: 'shell', batchable: true, cpu: 0.1, memory_mb: 16 });
});
afterAll(async () => {
  await connection.close();
  await room.close();
});

/** Submits scripts together, so that one pass admits them all. */
const submit = (scripts: string[], more: object = {}): Promise<string[]> =>
  room.submit(scripts.map((script) => ({ template, parameters: { script }, ...more })));

const aside = (scripts: string[]): Promise<string[]> => submit(scripts, { queue: 'aside' });

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

async function workflowsOf(uuids: readonly string[]): Promise<string[]> {
  const rows = await query<{ workflow_id: string }>(
    room.fork(),
    'select distinct workflow_id from instances where task_id = any($1) order by workflow_id',
    [uuids],
  );
  return rows.map(({ workflow_id }) => workflow_id);
}

const untilAll = (uuids: readonly string[], status: string) => Promise.all(uuids.map((uuid) => room.untilTask(uuid, status, 30_000)));

test('short tasks that start together share workflows, and each has its own result and log', async () => {
  await room.worker('w1');
  const uuids = await submit(times(30, (i) => `echo line ${i}`));
  await untilAll(uuids, 'completed');
  const workflows = await workflowsOf(uuids);
  expect(workflows.length).toBeLessThanOrEqual(6);
  expect(workflows.every((id) => id.startsWith('wave/'))).toBe(true);
  for (const [i, uuid] of uuids.entries()) expect(await room.lines(uuid)).toEqual([`line ${i}`]);
  const [instance] = await room.instances(uuids[7] as string);
  const wave = instance?.workflow_id as string;
  await eventually(async () => expect(await room.workflow(wave)).toMatchObject({ status: 'COMPLETED', type: 'wave' }));
  const found = await eventually(async () => {
    const ids: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query: `OrchTaskIds = "${uuids[7]}"` })) ids.push(workflowId);
    expect(ids).toHaveLength(1);
    return ids;
  });
  expect(found).toEqual([wave]);
  expect((await room.workflow(wave)).attributes).toMatchObject({ OrchTemplate: [template], OrchUser: ['admin'], OrchEngine: ['shell'] });
  await room.expectClean();
});

test('members of a wave fail, time out and are cancelled each by itself, and a slow one holds nobody back', async () => {
  const uuids = await submit(['exit 3', 'echo fine', 'sleep 60', 'sleep 61', 'echo fine too', 'sleep 62']);
  const [failing, fine, slow, cancelled, other, stopped] = uuids as [string, string, string, string, string, string];
  await untilAll([fine, other], 'completed');
  expect(await workflowsOf(uuids)).toEqual([expect.stringMatching(/^wave\//)]);
  expect((await room.untilTask(failing, 'failed')).error).toMatchObject({ code: 'exit_code' });
  const [held] = await query<{ load: number }>(room.fork(), `select current_load as load from queues where name = 'default'`);
  expect(held?.load).toBe(3);
  await room.untilInstance(cancelled, 'running');
  await room.cancel(cancelled);
  await room.untilTask(cancelled, 'cancelled', 5_000);
  expect((await room.task(slow)).status).toBe('processing');
  await query(room.fork(), `update instances set due_at = now() where task_id = $1`, [stopped]);
  expect(await room.untilTask(stopped, 'failed', 8_000)).toMatchObject({ status_reason: 'total_timeout' });
  expect((await room.task(slow)).status).toBe('processing');
  const [wave] = await workflowsOf(uuids);
  expect((await room.workflow(wave as string)).status).toBe('RUNNING');
  await room.cancel(slow);
  await room.untilTask(slow, 'cancelled', 5_000);
  await eventually(async () => expect((await room.workflow(wave as string)).status).toBe('COMPLETED'));
  await room.expectClean();
});

test('a wave whose worker is killed runs again only what was not final, and nothing twice at once', async () => {
  const first = await room.workerProcess('killed', { POOL: 'aside' });
  const uuids = await aside(times(50, (i) => (i % 2 ? `echo ${i}` : `echo begun; sleep 6.0${i + 10}31`)));
  const [quick, slow] = [uuids.filter((_, i) => i % 2), uuids.filter((_, i) => i % 2 === 0)];
  await untilAll(quick, 'completed');
  await Promise.all(slow.map((uuid) => room.untilInstance(uuid, 'running')));
  await first.kill('SIGKILL');
  const second = await room.workerProcess('killed', { POOL: 'aside' });
  await untilAll(slow, 'completed');
  for (const uuid of quick) expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['completed']);
  for (const uuid of slow) expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['lost', 'completed']);
  expect(await room.processesWith('sleep 6.0[0-9]*31')).toEqual([]);
  await second.kill('SIGTERM');
  await room.expectClean();
}, 60_000);

test.each(['cancel', 'terminate'] as const)(
  'an operator who %ss a wave in Temporal cancels all that is left of it',
  async (how) => {
    const uuids = await submit(['echo done', ...times(4, (i) => `sleep 6${i}.0917`)]);
    await room.untilTask(uuids[0] as string, 'completed');
    await Promise.all(uuids.slice(1).map((uuid) => room.untilInstance(uuid, 'running')));
    const [wave] = await workflowsOf(uuids);
    await client.workflow.getHandle(wave as string)[how]();
    await untilAll(uuids.slice(1), 'cancelled');
    expect((await room.task(uuids[0] as string)).status).toBe('completed');
    await eventually(async () => expect(await room.processesWith('sleep 6[0-9].0917')).toEqual([]));
    await room.expectClean();
  },
  40_000,
);

test('a wave on a worker that is stopped ends within the grace or is lost, member by member', async () => {
  const worker = await room.worker('leaving', { POOL: 'aside' });
  const uuids = await aside(['sleep 0.3', 'sleep 0.4', 'sleep 30.0213', 'sleep 30.0214']);
  await Promise.all(uuids.slice(2).map((uuid) => room.untilInstance(uuid, 'running')));
  await worker.stop();
  const ends = await Promise.all(uuids.map(async (uuid) => (await room.instances(uuid)).map(({ status }) => status)));
  expect(ends).toEqual([['completed'], ['completed'], ['lost'], ['lost']]);
  for (const uuid of uuids.slice(2)) await room.cancel(uuid);
  await room.expectClean();
}, 30_000);

test('a retry of a member, and a task that comes alone, have workflows of their own', async () => {
  const [alone] = await submit(['echo alone']);
  await room.untilTask(alone as string, 'completed');
  expect(await workflowsOf([alone as string])).toEqual([`task/${alone}/1`]);
});
