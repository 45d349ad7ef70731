import { actOnBreach } from '../../commands/act-on-breach.ts';
import type { CommandContext } from '../../commands/context.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { prepareBreach } from '../../commands/prepare-breach.ts';
import { claimDeliveries } from '../../commands/send-deliveries.ts';
import { settleDelivery } from '../../commands/settle-delivery.ts';
import { noteStarted, startableBreaches } from '../../commands/start-breaches.ts';
import { sweepClocks } from '../../commands/sweep-slas.ts';
import { type Em, query } from '../../entities/sql.ts';
import { Killed, killedEverywhere } from '../support/cutting.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  countOf,
  emptyDatabase,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorld,
  startTask,
  submitOne,
  testEngines,
} from '../support/factories.ts';
import { makeSchedule } from '../support/schedules.ts';
import { storeTestSecret } from '../support/secrets.ts';
import { age, attach, breaches, makeSla } from '../support/slas.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
let operator: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
  operator = contextOf(em, await makeUser(em, 'olga', { role: 'operator' }));
  await makeQueue(em, 'other');
  await makeTemplate(em, 'page');
  await storeTestSecret(em, { name: 'hook', value: Buffer.alloc(32).toString('base64'), hosts: ['127.0.0.1'], granted_to: ['olga'] });
});
afterEach(async () => {
  const broken = (await checkInvariants(fork())).filter(({ violations }) => violations.length > 0);
  expect(broken).toEqual([]);
});
afterAll(async () => await db.drop());

const fork = () => db.orm.em.fork() as Em;
const HOOK = { do: 'webhook', url: 'http://127.0.0.1:9/x', secrets: ['hook'] };

/** A task that has waited too long, or run too long, under an SLA with one action. */
async function lateTask(action: object, running: boolean): Promise<string> {
  await attach(em, await makeSla(operator, [{ kind: running ? 'run_time' : 'queue_wait', limit_s: 10 }], { actions: [action] }));
  const uuid = running ? (await startTask(ctx)).task.uuid : (await submitOne(ctx)).uuid;
  await age(em, uuid, 11);
  return uuid;
}

/** What an action leaves behind, counted; each must be 1. `T` stands for the task. */
type Case = [name: string, action: object, running: boolean, effect: string];
const EFFECTS: Case[] = [
  ['notify', { do: 'notify' }, false, 'notifications'],
  ['webhook', HOOK, false, 'deliveries'],
  ['email', { do: 'email', to: ['a@example.org'] }, false, 'deliveries'],
  ['cancel', { do: 'cancel' }, false, `task_history where task_id = 'T' and subject = 'task' and to_status = 'cancelled'`],
  ['cancel of running work', { do: 'cancel' }, true, `audit_log where action = 'task.cancel'`],
  ['fail', { do: 'fail' }, false, `task_history where task_id = 'T' and subject = 'task' and to_status = 'failed'`],
  ['fail of running work', { do: 'fail' }, true, `audit_log where action = 'task.fail'`],
  ['retry', { do: 'retry' }, true, `audit_log where action = 'task.restart'`],
  ['escalate_priority', { do: 'escalate_priority', by: 7 }, false, `tasks where uuid = 'T' and priority = 57`],
  ['move_queue', { do: 'move_queue', queue: 'other' }, false, `audit_log where action = 'task.change'`],
  ['label', { do: 'label', set: { late: 'yes' } }, false, `audit_log where action = 'task.label'`],
  ['hold_queue', { do: 'hold_queue', for_s: 60 }, false, `audit_log where action = 'queue.hold'`],
  ['resize_pool', { do: 'resize_pool', cpu: 1, for_s: 60 }, false, 'pool_resizes'],
  ['run_template', { do: 'run_template', template: 'page' }, false, `tasks where caused_by is not null and template = 'page'`],
];

it.each(EFFECTS)('%s takes effect once, wherever its process is killed', async (...[, action, running, effect]: Case) => {
  const task = await lateTask(action, running);
  const swept = await killedEverywhere(fork, async (dying) => await sweepClocks(dying));
  const [breach] = await breaches(em);
  const breach_id = breach?.id ?? '';
  const prepared = await killedEverywhere(fork, async (dying) => await prepareBreach(dying, breach_id));
  const acted = await killedEverywhere(fork, async (dying) => await actOnBreach(dying, { breach_id, no: 0 }, testEngines));
  expect(Math.min(swept, prepared, acted)).toBeGreaterThanOrEqual(2);
  expect(await query(em, 'select state from breach_actions')).toEqual([{ state: 'done' }]);
  expect(await countOf(em, 'breaches')).toBe(1);
  expect(await countOf(em, effect.replace('T', task))).toBe(1);
});

test('pause_schedule takes effect once, wherever its process is killed', async () => {
  const schedule = await makeSchedule(ctx, '2026-01-01T00:00:00Z');
  await lateTask({ do: 'pause_schedule', schedule, for_s: 60 }, false);
  await sweepClocks(em);
  const breach_id = (await breaches(em))[0]?.id ?? '';
  await killedEverywhere(fork, async (dying) => await actOnBreach(dying, { breach_id, no: 0 }, testEngines));
  expect(await countOf(em, `audit_log where action = 'schedule.pause'`)).toBe(1);
  expect(await countOf(em, `schedules where status = 'paused' and resume_at is not null`)).toBe(1);
});

test('a breach whose starter was killed is started by another one, and a delivery whose sender was killed is sent by another one, under its id', async () => {
  await lateTask(HOOK, false);
  await sweepClocks(em);
  const started: string[] = [];
  await killedEverywhere(fork, async (dying) => {
    await query(em, `update breaches set lease_at = lease_at - interval '1 minute'`);
    for (const { id } of await startableBreaches(dying, 10)) {
      started.push(id);
      await noteStarted(dying, id);
    }
  });
  const breach_id = (await breaches(em))[0]?.id ?? '';
  expect(new Set(started)).toEqual(new Set([breach_id]));
  expect(await countOf(em, 'breaches where workflow_at is null')).toBe(0);
  await actOnBreach(fork(), { breach_id, no: 0 }, testEngines);
  const sent: string[] = [];
  const kills = await killedEverywhere(fork, async (dying) => {
    await query(em, `update deliveries set next_at = now() where state = 'waiting'`);
    for (const delivery of await claimDeliveries(dying, new Map())) {
      sent.push(delivery.key);
      await settleDelivery(dying, delivery, { result: 'delivered', code: 'http_200', detail: null, retry_after_s: null, blames: null });
    }
  });
  expect(kills).toBeGreaterThanOrEqual(4);
  expect(new Set(sent)).toEqual(new Set([`breach_${breach_id}_0`]));
  expect(await query(em, 'select state from deliveries')).toEqual([{ state: 'delivered' }]);
});

test('a killed end of a task tells nothing, and its repetition tells once', async () => {
  await attach(em, await makeSla(operator, [{ kind: 'queue_wait', limit_s: 10 }], { actions: [{ do: 'notify' }] }));
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 11);
  await expect(
    fork().transactional(async (tx) => {
      await query(tx as Em, `update tasks set status = 'cancelled', completed_at = clock_timestamp() where uuid = $1`, [uuid]);
      expect(await countOf(tx as Em, 'breaches')).toBe(1);
      throw new Killed('before the commit');
    }),
  ).rejects.toThrow(Killed);
  expect(await countOf(em, 'breaches')).toBe(0);
  await sweepClocks(em);
  await sweepClocks(em);
  expect(await countOf(em, 'breaches')).toBe(1);
});
