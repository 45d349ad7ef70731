import { createHmac } from 'node:crypto';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { Receiver } from '../support/receiver.ts';
import { storeTestSecret, VAULT_KEY } from '../support/secrets.ts';
import { attach, breaches, clocksOf, makeSla } from '../support/slas.ts';
import { openRoom, type Room } from './room.ts';

const KEY = Buffer.alloc(32, 5);

let room: Room;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.start();
  room = await openRoom({ WORKER_CPU: '4', WORKER_MEMORY_MB: '4000', OUTBOUND_ALLOW: '127.0.0.0/8', SECRETS_KEY: VAULT_KEY });
  await storeTestSecret(room.fork(), { name: 'hook', value: KEY.toString('base64'), hosts: ['127.0.0.1'], granted_to: ['admin'] });
  await room.worker('runner');
});
afterAll(async () => {
  await room.close();
  await receiver.stop();
});

type Ended = { kind: string; state: string; tries: number };
const endedActions = async (breach: string, count: number): Promise<Ended[]> =>
  await eventually(
    async () => {
      const sql = `select kind, state, tries from breach_actions where breach_id = $1 and state <> 'waiting' order by no`;
      const rows = await query<Ended>(room.fork(), sql, [breach]);
      expect(rows).toHaveLength(count);
      return rows;
    },
    { timeout_ms: 30_000 },
  );
const breachOf = async (task: string, condition: string) =>
  await eventually(
    async () => {
      const found = (await breaches(room.fork())).find((breach) => breach.subject === `task:${task}` && breach.condition === condition);
      if (!found) throw new Error(`no breach of ${condition} yet`);
      return found;
    },
    { timeout_ms: 30_000 },
  );

test('work that runs too long is noticed at once, told to a receiver, and cancelled; Temporal shows all of it', async () => {
  const actions = [
    { do: 'webhook', url: receiver.url, secrets: ['hook'] },
    { do: 'label', set: { sla: 'miss' } },
    { do: 'cancel', grace_s: 0 },
  ];
  const sla_id = await makeSla(room.context(), [{ kind: 'run_time', limit_s: 1 }], { actions });
  const task = await room.submitShell('sleep 60', { sla_id });
  const breach = await breachOf(task, 'run_time');
  expect(breach.late_ms).toBeLessThan(5_000);
  expect(await endedActions(breach.id, 3)).toMatchObject(['webhook', 'label', 'cancel'].map((kind) => ({ kind, state: 'done' })));
  await room.untilTask(task, 'cancelled', 30_000);
  await eventually(() => expect(receiver.received.length).toBeGreaterThan(0));
  const { headers, body } = receiver.received[0] as (typeof receiver.received)[number];
  const signed = createHmac('sha256', KEY).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${signed}`);
  expect(JSON.parse(body).data.breach).toMatchObject({ id: breach.id, condition: 'run_time', subject_id: task });
  const shown = await eventually(async () => {
    const workflow = await room.workflow(`sla/${breach.id}`);
    expect(workflow.status).toBe('COMPLETED');
    return workflow;
  });
  expect(shown).toMatchObject({ type: 'slaBreach', attributes: { OrchTaskId: [task], OrchSlaBreach: [expect.stringMatching(/^sla-/)] } });
  await room.expectClean();
}, 90_000);

test('the workflow of a running task that broke its SLA can be found by it', async () => {
  const sla_id = await makeSla(room.context(), [{ kind: 'run_time', limit_s: 1 }]);
  const task = await room.submitShell('sleep 60', { sla_id });
  await breachOf(task, 'run_time');
  await eventually(
    async () =>
      expect((await room.workflow(`task/${task}/1`)).attributes).toMatchObject({ OrchSlaBreach: [expect.stringMatching(/^sla-/)] }),
    { timeout_ms: 40_000, interval_ms: 500 },
  );
  await room.cancel(task);
  await room.untilTask(task, 'cancelled', 30_000);
}, 90_000);

test('retry runs a task that hangs a second time', async () => {
  const sla_id = await makeSla(room.context(), [{ kind: 'run_time', limit_s: 2 }], { actions: [{ do: 'retry' }] });
  const script = 'if [ -e /tmp/hung-$TASK ]; then exit 0; fi; sleep 60';
  const task = await room.submitShell(script.replaceAll('$TASK', String(process.pid)), { sla_id });
  await breachOf(task, 'run_time');
  await eventually(async () => expect((await room.instances(task)).length).toBe(2), { timeout_ms: 30_000 });
  const states = (await clocksOf(room.fork(), task)).map(({ attempt, state }) => [attempt, state]);
  expect(states[0]).toEqual([1, 'broken']);
  await room.cancel(task);
  await room.untilTask(task, 'cancelled', 30_000);
  await room.expectClean();
}, 90_000);

test('a queue that is too slow is told of by an SLA of the queue, for each task once', async () => {
  await query(room.fork(), `update queues set status = 'hold' where name = 'aside'`);
  await attach(
    room.fork(),
    await makeSla(room.context(), [{ kind: 'queue_wait', limit_s: 1, pause_aware: false }], { actions: [{ do: 'notify' }] }),
    'queue:aside',
  );
  const tasks = await room.submit(Array.from({ length: 20 }, () => ({ template: 'empty', queue: 'aside' })));
  await eventually(
    async () => {
      const rows = await query<{ n: number }>(
        room.fork(),
        `select count(*)::int4 as n from notifications where data->'breach'->>'condition' = 'queue_wait'`,
      );
      expect(rows[0]?.n).toBe(tasks.length);
    },
    { timeout_ms: 60_000 },
  );
}, 90_000);
