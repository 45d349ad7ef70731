import { createHmac } from 'node:crypto';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { type Reaction, Receiver } from '../support/receiver.ts';
import { storeTestSecret, VAULT_KEY } from '../support/secrets.ts';
import { attach, makeSla } from '../support/slas.ts';
import { openRoom, type Room } from './room.ts';

const TASKS = 150;
const KILLS = 12;
const KEY = Buffer.alloc(32, 6);

let room: Room;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.start();
  room = await openRoom({ OUTBOUND_ALLOW: '127.0.0.0/8', SECRETS_KEY: VAULT_KEY });
  await storeTestSecret(room.fork(), { name: 'hook', value: KEY.toString('base64'), hosts: ['127.0.0.1'], granted_to: ['admin'] });
  await query(room.fork(), `update queues set status = 'hold'`);
});
afterAll(async () => {
  await room.close();
  await receiver.stop();
});

const count = async (what: string): Promise<number> => {
  const [row] = await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from ${what}`);
  return row?.n ?? -1;
};

/** Which way the receiver fails an id, and how often, follows from the id: every one gets through in the end. */
function reactTo(id: string, earlier: number): Reaction {
  const digit = Number.parseInt(id.replaceAll('-', '').slice(-3), 16);
  if (earlier > digit % 3) return 200;
  return ([200, 500, 'hang', 'disconnect', 503, 200] as const)[digit % 6] ?? 200;
}

test(`with three dispatchers that are killed ${KILLS} times, each of ${TASKS} breaches is told under one id, signed, and acts once inside`, async () => {
  receiver.react = (request, earlier) => reactTo(request.headers['webhook-id'] ?? '', earlier);
  const actions = [
    { do: 'webhook', url: receiver.url, secrets: ['hook'] },
    { do: 'notify' },
    { do: 'escalate_priority', by: 7 },
    { do: 'label', set: { late: 'yes' } },
    { do: 'run_template', template: 'http', parameters: { url: 'http://127.0.0.1:9/' }, queue: 'aside' },
    { do: 'cancel' },
  ];
  const waits = [{ kind: 'queue_wait', limit_s: 2, pause_aware: false }];
  await attach(room.fork(), await makeSla(room.context(), waits, { actions }), 'queue:default');
  await attach(room.fork(), await makeSla(room.context(), waits, { priority: 10, actions: [{ do: 'fail' }] }), 'pool:default');
  const victims = [await room.process('dispatcher'), await room.process('dispatcher'), await room.process('dispatcher')];
  const tasks = await room.submit(Array.from({ length: TASKS }, () => ({ template: 'empty' })));
  for (let kills = 0; kills < KILLS; kills += 1) {
    const before = receiver.received.length;
    await eventually(() => expect(receiver.received.length).toBeGreaterThan(before + 3), { timeout_ms: 60_000, interval_ms: 10 }).catch(
      () => undefined,
    );
    await victims[kills % 3]?.kill('SIGKILL');
    victims[kills % 3] = await room.process('dispatcher');
  }
  const settled = async (): Promise<void> => {
    await query(room.fork(), `update delivery_lanes set paused_until = null where paused_until > now() + interval '3 seconds'`);
    expect(await count(`breach_actions where state = 'waiting'`)).toBe(0);
    expect(await count(`deliveries where state <> 'delivered'`)).toBe(0);
  };
  await eventually(settled, { timeout_ms: 300_000, interval_ms: 500 });

  const wanted = await query<{ key: string }>(
    room.fork(),
    `select 'breach_' || b.id || '_0' as key from breaches b where b.scope = 'queue:default' and b.task_id = any($1) order by 1`,
    [tasks],
  );
  const received = receiver.received.map(({ headers }) => headers['webhook-id'] ?? '');
  expect(wanted).toHaveLength(TASKS);
  expect([...new Set(received)].sort()).toEqual(wanted.map(({ key }) => key));
  for (const { headers, body } of receiver.received) {
    const signed = createHmac('sha256', KEY).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${signed}`);
  }
  const bodies = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]));
  for (const { headers, body } of receiver.received) expect(body).toBe(bodies.get(headers['webhook-id']));

  const ends = await query<{ kind: string; state: string; n: number }>(
    room.fork(),
    `select kind, state, count(*)::int4 as n from breach_actions group by 1, 2 order by 1, 2`,
  );
  const ended = (kind: string, state = 'done'): number => ends.find((end) => end.kind === kind && end.state === state)?.n ?? 0;
  const once = {
    notifications: await count(`notifications where source_type = 'breach'`),
    escalated: (await count('tasks where priority = 57 and caused_by is null')) + ended('escalate_priority', 'skipped'),
    labelled: await count(`audit_log where action = 'task.label'`),
    run: await count('tasks where caused_by is not null'),
    ended_tasks: await count(`task_history where subject = 'task' and to_status in ('cancelled', 'failed')`),
    ended_by_action: ended('cancel') + ended('fail'),
    suppressed: ended('cancel', 'suppressed') + ended('fail', 'suppressed'),
  };
  process.stderr.write(
    `dispatchers: ${received.length} requests for ${TASKS} ids; ${JSON.stringify({ ...once, cancelled: ended('cancel') })}\n`,
  );
  expect(once).toEqual(Object.fromEntries(Object.keys(once).map((name) => [name, TASKS])));
  expect(await count(`breach_actions where kind in ('cancel', 'fail') and state not in ('done', 'suppressed')`)).toBe(0);
  await room.expectClean();
}, 600_000);
