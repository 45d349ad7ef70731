import { actOnBreach } from '../../commands/act-on-breach.ts';
import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { changeQueue } from '../../commands/change-queue.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { takeBackLoans } from '../../commands/lend-pool.ts';
import { prepareBreach } from '../../commands/prepare-breach.ts';
import { resumeDue } from '../../commands/resume-due.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  claim,
  contextOf,
  countOf,
  emptyDatabase,
  heldAmounts,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorld,
  NOTHING_HELD,
  outcome,
  startTask,
  submitOne,
  taskRow,
  testEngines,
} from '../support/factories.ts';
import { makeSchedule } from '../support/schedules.ts';
import { storeTestSecret } from '../support/secrets.ts';
import { age, attach, breaches, makeSla } from '../support/slas.ts';
import { sweepClocks } from '../support/sweep.ts';

let db: TestDatabase;
let em: Em;
/** Submits tasks. */
let ctx: CommandContext;
/** Owns SLAs. */
let operator: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
  operator = contextOf(em, await makeUser(em, 'olga', { role: 'operator' }));
});
afterEach(async () => {
  const broken = (await checkInvariants(db.orm.em.fork() as Em)).filter(({ violations }) => violations.length > 0);
  expect(broken).toEqual([]);
});
afterAll(async () => await db.drop());

const WAITS = [{ kind: 'queue_wait', limit_s: 10 }];
const RUNS = [{ kind: 'run_time', limit_s: 10 }];
const fork = () => db.orm.em.fork() as Em;

type ActionRow = {
  no: number;
  kind: string;
  state: string;
  code: string | null;
  detail: string | null;
  result: Record<string, unknown> | null;
};
const actionsOf = async (breach: string): Promise<ActionRow[]> =>
  await query<ActionRow>(em, 'select no, kind, state, code, detail, result from breach_actions where breach_id = $1 order by no', [breach]);

/** Does what a breach's workflow does. */
async function carryOut(breach: string): Promise<ActionRow[]> {
  for (const { no } of await prepareBreach(fork(), breach)) await actOnBreach(fork(), { breach_id: breach, no }, testEngines);
  return await actionsOf(breach);
}

/** A breach of a task that waits too long, by an SLA with these actions; everything that is due is done. */
async function breachOf(
  actions: object[],
  more: Record<string, unknown> = {},
): Promise<{ task: string; breach: string; actions: ActionRow[] }> {
  await attach(em, await makeSla(operator, WAITS, { actions, ...more }));
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 11);
  await sweepClocks(em);
  const breach = (await breaches(em)).find(({ subject }) => subject === `task:${uuid}`)?.id ?? '';
  return { task: uuid, breach, actions: await carryOut(breach) };
}

const auditOf = async (action: string) =>
  await query<{ actor: string; subject_id: string }>(em, 'select actor, subject_id from audit_log where action = $1 order by id desc', [
    action,
  ]);
const states = (actions: ActionRow[]) => actions.map(({ state, code }) => `${state} ${code ?? ''}`.trim());

test('notify tells the owner and the task’s user, once, however often it is done', async () => {
  const { breach, actions } = await breachOf([{ do: 'notify', to: ['owner', 'task_owner'], severity: 'critical' }]);
  expect(actions).toMatchObject([{ kind: 'notify', state: 'done', result: { recipients: 2 } }]);
  await Promise.all(Array.from({ length: 5 }, () => actOnBreach(fork(), { breach_id: breach, no: 0 }, testEngines)));
  const told = await query(
    em,
    `select u.username, n.severity, n.title, n.data->'breach'->>'id' as breach from notifications n join users u on u.id = n.user_id order by 1`,
  );
  const title = expect.stringMatching(/^SLA sla-\d+: task "t" of t waits too long in its queue$/);
  expect(told).toEqual(['ada', 'olga'].map((username) => ({ username, severity: 'critical', title, breach })));
});

test('webhooks and mails go into the outbox with the breach’s id in their key', async () => {
  await storeTestSecret(em, { name: 'hook', value: Buffer.alloc(32).toString('base64'), hosts: ['127.0.0.1'], granted_to: ['olga'] });
  const { breach, actions } = await breachOf([
    { do: 'webhook', url: 'http://127.0.0.1:9/hook', secrets: ['hook'] },
    { do: 'email', to: ['ops@example.org'], message: 'look here' },
  ]);
  expect(states(actions)).toEqual(['done', 'done']);
  const rows = await query(em, `select key, channel, source_id, message->>'text' as text from deliveries order by key`);
  expect(rows).toEqual([
    { key: `breach_${breach}_0`, channel: 'webhook', source_id: breach, text: expect.stringContaining('condition: queue_wait') },
    { key: `breach_${breach}_1`, channel: 'email', source_id: breach, text: 'look here' },
  ]);
});

test('cancel cancels in the name of the SLA; what waits for nothing more is skipped', async () => {
  const { task, breach, actions } = await breachOf([{ do: 'cancel' }, { do: 'fail' }]);
  expect(await taskRow(em, task)).toMatchObject({ status: 'cancelled' });
  expect(actions).toMatchObject([{ state: 'done' }, { state: 'suppressed', code: 'terminal', detail: expect.stringContaining(breach) }]);
  expect((await auditOf('task.cancel'))[0]).toMatchObject({ actor: expect.stringMatching(/^sla:sla-\d+$/), subject_id: task });
});

test('fail fails a waiting task at once, and running work when it has stopped, without a retry', async () => {
  const { task } = await breachOf([{ do: 'fail' }]);
  expect(await taskRow(em, task)).toMatchObject({ status: 'failed', status_reason: 'sla', error: { code: 'sla' } });
  await makeTemplate(em, 'r', { retry: { max_attempts: 5 } });
  const { runid, uuid, breach } = await runningBreach([{ do: 'fail' }]);
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'processing', cancel_requested: true });
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome('cancelled') }], 'test');
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'failed', status_reason: 'sla' });
  expect(states(await actionsOf(breach))).toEqual(['done']);
  expect(await heldAmounts(em)).toEqual(NOTHING_HELD);
});

/** A running task of the template `r` that runs too long, with what its SLA did. */
async function runningBreach(actions: object[]) {
  await attach(em, await makeSla(operator, RUNS, { actions }), 'template:r');
  await attach(em, null);
  const { uuid } = await submitOne(ctx, { template: 'r' });
  const [instance] = await admit(em);
  await claim(em, instance as never);
  await age(em, uuid, 11);
  await sweepClocks(em);
  const breach = (await breaches(em)).find(({ subject }) => subject === `task:${uuid}`)?.id ?? '';
  await carryOut(breach);
  return { uuid, breach, runid: instance?.runid ?? '' };
}

test('retry ends the running attempt and queues the task again, once for an SLA and a task', async () => {
  await makeTemplate(em, 'r');
  const { uuid, runid, breach } = await runningBreach([{ do: 'retry' }]);
  expect(states(await actionsOf(breach))).toEqual(['done']);
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome('cancelled') }], 'test');
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'queued', attempt: 1, cancel_requested: false });
  const [second] = await admit(em);
  expect(second?.attempt).toBe(2);
  await claim(em, second as never);
  await age(em, uuid, 11);
  await sweepClocks(em);
  const next = (await breaches(em)).find(({ epoch }) => epoch === 2)?.id ?? '';
  expect(states(await carryOut(next))).toEqual(['suppressed max']);
  await finishInstances(em, [{ runid: second?.runid ?? '', lease_epoch: null, outcome: outcome('completed') }], 'test');
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'completed' });
});

test('a cancellation by a person wins over the retry of an SLA', async () => {
  await makeTemplate(em, 'r');
  const { uuid, runid } = await runningBreach([{ do: 'retry' }]);
  await cancelTask(ctx, uuid, null);
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome('cancelled') }], 'test');
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'cancelled' });
});

test('retry queues a failed task again when its deadline was missed', async () => {
  await makeTemplate(em, 'r');
  await attach(
    em,
    await makeSla(operator, [{ kind: 'total_time', limit_s: 10, on_failure: 'breach' }], { actions: [{ do: 'retry' }] }),
    'template:r',
  );
  const { runid, task } = await startTask(ctx, { item: { template: 'r' } });
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome('failed', 'invalid_input') }], 'test');
  const [breach] = await breaches(em);
  expect(states(await carryOut(breach?.id ?? ''))).toEqual(['done']);
  expect(await taskRow(em, task.uuid)).toMatchObject({ status: 'queued' });
});

test('escalate never lowers, stops at its cap, and leaves running work alone', async () => {
  const { task, actions } = await breachOf([
    { do: 'escalate_priority', to: 40 },
    { do: 'escalate_priority', by: 60, cap: 80 },
    { do: 'escalate_priority', to: 80 },
  ]);
  expect(states(actions)).toEqual(['skipped is_higher', 'done', 'skipped is_higher']);
  expect(await query(em, 'select priority from tasks where uuid = $1', [task])).toEqual([{ priority: 80 }]);
});

test('move_queue and label change the task; a label is set on what has ended too', async () => {
  await makeQueue(em, 'fast');
  const { task, actions } = await breachOf([
    { do: 'move_queue', queue: 'fast' },
    { do: 'label', set: { sla: 'miss' } },
  ]);
  expect(states(actions)).toEqual(['done', 'done']);
  expect(await query(em, 'select queue, tags from tasks where uuid = $1', [task])).toEqual([{ queue: 'fast', tags: { sla: 'miss' } }]);
  await makeTemplate(em, 'r');
  await attach(
    em,
    await makeSla(operator, RUNS, {
      actions: [
        { do: 'label', set: { late: 'yes' } },
        { do: 'move_queue', queue: 'fast' },
      ],
    }),
    'template:r',
  );
  const ended = await startTask(ctx, { item: { template: 'r' } });
  await age(em, ended.task.uuid, 11);
  await finishInstances(em, [{ runid: ended.runid, lease_epoch: null, outcome: outcome('completed') }], 'test');
  const late = (await breaches(em)).find(({ subject }) => subject === `task:${ended.task.uuid}`)?.id ?? '';
  expect(states(await carryOut(late))).toEqual(['done', 'skipped task_completed']);
});

test('hold_queue holds for a time, once for many breaches, and ends by itself; a person’s change is not undone', async () => {
  const { actions } = await breachOf([{ do: 'hold_queue', for_s: 60 }]);
  expect(states(actions)).toEqual(['done']);
  const queue = async () =>
    (await query<{ status: string; resume_at: string | null }>(em, `select status, resume_at from queues where name = 'q'`))[0];
  expect(await queue()).toMatchObject({ status: 'hold', resume_at: expect.anything() });
  expect(await resumeDue(fork())).toBe(0);
  await query(em, `update queues set resume_at = now() - interval '1 second' where name = 'q'`);
  expect((await Promise.all([resumeDue(fork()), resumeDue(fork())])).some((n) => n === 1)).toBe(true);
  expect(await queue()).toEqual({ status: 'active', resume_at: null });
  expect((await auditOf('queue.active'))[0]?.actor).toMatch(/^sla:/);
  const again = await breachOf([{ do: 'hold_queue', for_s: 60 }]);
  expect(states(again.actions)).toEqual(['suppressed duplicate']);
  await query(em, `update breach_actions set ended_at = ended_at - interval '2 minutes'`);
  expect(states((await breachOf([{ do: 'hold_queue', for_s: 60 }])).actions)).toEqual(['done']);
  await changeQueue(operator, 'q', { status: 'drain' });
  expect(await queue()).toEqual({ status: 'drain', resume_at: null });
});

test('resize_pool lends beside the total and takes back; what runs meanwhile ends in peace', async () => {
  await query(em, `update pools set total_cpu = 1`);
  await startTask(ctx);
  const { actions } = await breachOf([{ do: 'resize_pool', cpu: 2, memory_mb: 100, for_s: 60 }]);
  expect(states(actions)).toEqual(['done']);
  const pool = async () =>
    (await query(em, 'select total_cpu::float8, extra_cpu::float8, ceiling_cpu::float8, used_cpu::float8 from pools'))[0];
  expect(await pool()).toEqual({ total_cpu: 1, extra_cpu: 2, ceiling_cpu: 3, used_cpu: 1 });
  expect(await admit(em)).toHaveLength(1);
  await query(em, `update pool_resizes set until_at = now()`);
  expect(await takeBackLoans(fork())).toBe(1);
  expect(await pool()).toEqual({ total_cpu: 1, extra_cpu: 0, ceiling_cpu: 2, used_cpu: 2 });
  await submitOne(ctx);
  expect(await admit(em)).toEqual([]);
  expect((await auditOf('pool.take_back'))[0]?.actor).toMatch(/^sla:/);
});

test('pause_schedule pauses the schedule of the task for a time', async () => {
  const id = await makeSchedule(ctx, new Date().toISOString());
  await attach(em, await makeSla(operator, WAITS, { actions: [{ do: 'pause_schedule', for_s: 60 }] }));
  const { uuid } = await submitOne(ctx);
  await query(em, 'update tasks set source_id = $2 where uuid = $1', [uuid, id]);
  await age(em, uuid, 11);
  await sweepClocks(em);
  const [breach] = await breaches(em);
  expect(states(await carryOut(breach?.id ?? ''))).toEqual(['done']);
  const schedule = async () => (await query(em, 'select status, status_reason from schedules where id = $1', [id]))[0];
  expect(await schedule()).toMatchObject({ status: 'paused', status_reason: expect.stringMatching(/^SLA sla-/) });
  await query(em, `update schedules set resume_at = now()`);
  expect(await resumeDue(fork())).toBe(1);
  expect(await schedule()).toEqual({ status: 'active', status_reason: null });
});

test('run_template submits in the owner’s name what is outside the SLA’s scope, and no deeper than three', async () => {
  await makeTemplate(em, 'page', { schema: { type: 'object' } });
  const { task, breach, actions } = await breachOf([
    { do: 'run_template', template: 'page', parameters: { text: 'about {{task}} {{other}}' } },
  ]);
  expect(states(actions)).toEqual(['done']);
  const [run] = await query<{ uuid: string; username: string; parameters: unknown; caused_by: string; sla_depth: number }>(
    em,
    `select t.uuid, u.username, t.parameters, t.caused_by, t.sla_depth from tasks t join users u on u.id = t.user_id where template = 'page'`,
  );
  expect(run).toMatchObject({ username: 'olga', parameters: { text: `about ${task} {{other}}` }, caused_by: breach, sla_depth: 1 });
  expect(await countOf(em, 'task_slas where task_id = $1', [run?.uuid])).toBe(0);
  const third = await submitOne(ctx);
  await query(em, 'update tasks set sla_depth = 3 where uuid = $1', [third.uuid]);
  await age(em, third.uuid, 11);
  await sweepClocks(em);
  const last = (await breaches(em)).find(({ subject }) => subject === `task:${third.uuid}`)?.id ?? '';
  expect(states(await carryOut(last))).toEqual(['suppressed depth']);
});

test('of two SLAs that would end a task the one of the higher priority does, whoever comes first', async () => {
  await makeTemplate(em, 'r');
  await attach(em, await makeSla(operator, WAITS, { priority: 10, actions: [{ do: 'fail' }] }));
  await attach(em, await makeSla(operator, WAITS, { priority: 90, actions: [{ do: 'cancel' }] }), 'template:r');
  const { uuid } = await submitOne(ctx, { template: 'r' });
  await age(em, uuid, 11);
  await sweepClocks(em);
  const ids = Object.fromEntries((await breaches(em)).map(({ scope, id }) => [scope, id]));
  const act = async (scope: string) => (await actOnBreach(fork(), { breach_id: ids[scope] ?? '', no: 0 }, testEngines)).state;
  expect(await act('queue:q')).toBe('waiting');
  expect(await act('template:r')).toBe('done');
  expect(await act('queue:q')).toBe('suppressed');
  expect(await taskRow(em, uuid)).toMatchObject({ status: 'cancelled' });
});

test('many executions at once of two terminal actions have one effect', async () => {
  await attach(em, await makeSla(operator, WAITS, { actions: [{ do: 'cancel' }] }));
  await attach(em, await makeSla(operator, WAITS, { actions: [{ do: 'fail' }] }), 'pool:p');
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 11);
  await sweepClocks(em);
  const ids = (await breaches(em)).map(({ id }) => id);
  for (let round = 0; round < 3; round += 1)
    await Promise.all(ids.flatMap((id) => Array.from({ length: 3 }, () => actOnBreach(fork(), { breach_id: id, no: 0 }, testEngines))));
  const ends = await query(em, 'select state from breach_actions order by state');
  expect(ends).toEqual([{ state: 'done' }, { state: 'suppressed' }]);
  expect(await countOf(em, `task_history where task_id = $1 and to_status in ('failed', 'cancelled')`, [uuid])).toBe(1);
});

test('in a cool-down others tell nobody, but act on their own task', async () => {
  const id = await makeSla(operator, WAITS, { cooldown_s: 600, actions: [{ do: 'notify' }, { do: 'label', set: { late: 'yes' } }] });
  await attach(em, id);
  const tasks = [await submitOne(ctx), await submitOne(ctx), await submitOne(ctx)];
  for (const { uuid } of tasks) await age(em, uuid, 11);
  await sweepClocks(em);
  const ends = await Promise.all((await breaches(em)).map(({ id: breach }) => carryOut(breach)));
  expect(ends.map(states).sort()).toEqual([
    ['done', 'done'],
    ['suppressed cooldown', 'done'],
    ['suppressed cooldown', 'done'],
  ]);
  expect(await countOf(em, 'notifications')).toBe(1);
});

test('an SLA acts with the rights that its owner has now', async () => {
  const { task, breach } = await breachOf([{ do: 'hold_queue', for_s: 60 }, { do: 'cancel' }]).then(async (made) => made);
  expect(await taskRow(em, task)).toMatchObject({ status: 'cancelled' });
  await query(em, `update breach_actions set state = 'waiting', ended_at = null, target = null where breach_id = $1`, [breach]);
  await query(em, `update queues set status = 'active'`);
  await query(em, `update users set role = 'user' where username = 'olga'`);
  expect(states(await carryOut(breach))).toEqual(['failed forbidden', 'skipped not_found']);
  await query(em, `update breach_actions set state = 'waiting', ended_at = null where breach_id = $1`, [breach]);
  await query(em, `update users set is_active = false where username = 'olga'`);
  expect(states(await carryOut(breach))).toEqual(['failed forbidden', 'failed forbidden']);
});
