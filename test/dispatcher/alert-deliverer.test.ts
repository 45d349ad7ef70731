import { createHmac } from 'node:crypto';
import { pino } from 'pino';
import { createAlertRule, deleteAlertRule } from '../../commands/alert-rules.ts';
import type { CommandContext } from '../../commands/context.ts';
import { loadConfig } from '../../config/env.ts';
import { AlertDeliverer } from '../../dispatcher/alert-deliverer.ts';
import { Deliverer } from '../../dispatcher/deliverer.ts';
import { createSenders } from '../../dispatcher/senders.ts';
import type { DetectionWriter } from '../../engines/detection/detection-writer.ts';
import { type Em, query } from '../../entities/sql.ts';
import { AlertRuleCreation } from '../../schemas/alert.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BARE, frames, makeSession, makeWriter, person } from '../support/detections.ts';
import { contextOf, emptyDatabase, makeUser } from '../support/factories.ts';
import { MailServer } from '../support/mail-server.ts';
import { Receiver } from '../support/receiver.ts';
import { storeTestSecret, VAULT_KEY } from '../support/secrets.ts';

const SIGNING = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
const logger = pino({ level: 'silent' });

let db: TestDatabase;
let ctx: CommandContext;
let receiver: Receiver;
let mail: MailServer;
let url: string;
let writer: DetectionWriter;
let alerts: AlertDeliverer;
let outbox: Deliverer;
let senders: ReturnType<typeof createSenders>;
/** Answers of the receiver, one after the other, then 204. */
let answers: number[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  mail = await new MailServer().listen();
  const config = loadConfig({ SECRETS_KEY: VAULT_KEY, OUTBOUND_ALLOW: '127.0.0.0/8', SMTP_URL: mail.url() });
  senders = createSenders(config, fork);
});
afterAll(async () => {
  await senders.close();
  await mail.close();
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(db.em);
  await query(db.em, 'truncate alert_rules, cameras cascade');
  const { id } = await makeUser(db.em, 'ada');
  await query(db.em, `update users set role = 'admin' where id = $1`, [id]);
  ctx = contextOf(db.em, { id, username: 'ada', role: 'admin', rights: [] });
  receiver = await Receiver.start();
  url = receiver.url;
  answers = [];
  receiver.react = () => answers.shift() ?? 204;
  writer = makeWriter(fork);
  outbox = new Deliverer({ fork, logger, config: { POLL_EVERY_S: 1 }, senders });
  alerts = new AlertDeliverer({ fork, logger, config: { POLL_EVERY_S: 1 }, handedOver: () => undefined });
});
afterEach(async () => {
  await writer.stop(5_000);
  await alerts.stop();
  await outbox.stop();
  await receiver.stop();
});

const fork = (): Em => db.orm.em.fork() as Em;
const rows = async <T>(sql: string, values: unknown[] = []): Promise<T[]> => await query<T>(db.em, sql, values);
const makeRule = async (more: Record<string, unknown> = {}) =>
  await createAlertRule(ctx, AlertRuleCreation.parse({ name: 'r', cooldown_s: 60, channels: [{ kind: 'webhook', url }], ...more }));

/** Persons `from`–`to` violate, one after the other, within a minute. */
async function violate(from: number, to: number): Promise<void> {
  const session_id = await makeSession(db.em, ctx.actor.id);
  for (let n = from; n <= to; n++) {
    const sent = frames(n * 10, n * 10 + 2, [person(`p${n}`)]);
    await writer.push({ session_id, frames: sent, owner: null }, { urgent: true });
  }
}
const history = () =>
  rows<{ delivery: string; reason: string; n: number }>(
    'select delivery, reason, count(*)::int4 as n from alert_history group by 1, 2 order by 1, 2',
  );
/** What dispatchers do in a few seconds: hand over, send what is due, look again. */
async function deliver(): Promise<void> {
  await look();
  await outbox.tick();
  await look();
}
async function look(): Promise<void> {
  await rows(`update alert_history set next_attempt_at = clock_timestamp() - interval '1 second' where delivery = 'pending'`);
  await alerts.tick();
}
/** As if the wait for the next attempt were over. */
const hurry = () => rows(`update deliveries set next_at = clock_timestamp() - interval '1 second' where state = 'waiting'`);
const arrivedIds = () => receiver.received.map(({ headers }) => headers['webhook-id']);
/** As if `seconds` had passed since the last delivery. */
const pass = (seconds: number) => rows('update alert_states set delivered_at = delivered_at - make_interval(secs => $1)', [seconds]);

it('sends one of twenty violations within a minute and says why the nineteen others are not', async () => {
  await makeRule();
  await violate(1, 1);
  await deliver();
  await violate(2, 20);
  await deliver();
  expect(receiver.received).toHaveLength(1);
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 1 },
    { delivery: 'suppressed', reason: 'cooldown', n: 19 },
  ]);
  const [first] = await rows<{ id: string; violation_id: string }>(`select id, violation_id from alert_history where delivery = 'sent'`);
  expect(arrivedIds()).toEqual([`alert_${first?.id}_0`]);
  expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
    type: 'alert.fired',
    data: { camera_id: 'cam', rule_name: 'r', violation_type: 'no_hairnet', violation_id: first?.violation_id, violations: 1 },
  });
  expect(receiver.received[0]?.body).not.toMatch(/user_id|owner_id/);
});

it('sends one of twenty that come in one batch', async () => {
  await makeRule();
  const session_id = await makeSession(db.em, ctx.actor.id);
  const all = Array.from({ length: 20 }, (_, n) => person(`p${n}`));
  await writer.push({ session_id, frames: frames(1, 5, all), owner: null }, { urgent: true });
  await deliver();
  await deliver();
  expect(receiver.received).toHaveLength(1);
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 1 },
    { delivery: 'suppressed', reason: 'delivery_pending', n: 19 },
  ]);
});

it('tries again after a delivery that failed, and begins the cool-down only when one got through', async () => {
  await makeRule();
  answers = [500];
  await violate(1, 1);
  await deliver();
  expect(await rows(`select delivery, attempts, error, sent_at from alert_history`)).toEqual([
    { delivery: 'pending', attempts: 1, error: 'webhook: answered 500', sent_at: null },
  ]);
  expect(await rows('select pending, delivered_at from alert_states')).toEqual([{ pending: true, delivered_at: null }]);
  await violate(2, 2);
  expect(await history()).toMatchObject([{ delivery: 'pending' }, { delivery: 'suppressed', reason: 'delivery_pending', n: 1 }]);
  await hurry();
  await deliver();
  expect(arrivedIds()).toEqual(Array(2).fill(arrivedIds()[0]));
  expect(await rows(`select delivery, attempts, error from alert_history where reason = 'due'`)).toEqual([
    { delivery: 'sent', attempts: 2, error: null },
  ]);
  expect(await rows('select pending, delivered_at is not null as cooling from alert_states')).toEqual([{ pending: false, cooling: true }]);
});

it('fires again when the cool-down is over', async () => {
  await makeRule();
  await violate(1, 1);
  await deliver();
  await pass(59);
  await violate(2, 2);
  await pass(2);
  await violate(3, 3);
  await deliver();
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 2 },
    { delivery: 'suppressed', reason: 'cooldown', n: 1 },
  ]);
});

it('lets the next violation fire at once when an alert was given up', async () => {
  const { id } = await makeRule();
  answers = [500];
  await violate(1, 1);
  await look();
  await rows('update deliveries set give_up_at = clock_timestamp()');
  await deliver();
  expect(await rows('select delivery, next_attempt_at from alert_history')).toEqual([{ delivery: 'failed', next_attempt_at: null }]);
  expect(await rows('select pending, delivered_at from alert_states')).toEqual([{ pending: false, delivered_at: null }]);
  await violate(2, 2);
  await deliver();
  expect((await history()).map(({ delivery }) => delivery)).toEqual(['failed', 'sent']);
  await deleteAlertRule(ctx, id);
  expect(await rows('select count(*)::int4 as n from alert_history where rule_id is null')).toEqual([{ n: 2 }]);
});

it('lets a worse severity and a new zone through the cool-down', async () => {
  await makeRule();
  await violate(1, 1);
  await deliver();
  const session_id = await makeSession(db.em, ctx.actor.id);
  const worse = person('p1', [{ ...BARE, severity: 'critical' }]);
  await writer.push({ session_id, frames: frames(20, 20, [worse]), owner: null }, { urgent: true });
  const elsewhere = person('p1', [{ ...BARE, severity: 'critical', zone: 'kitchen' }]);
  await writer.push({ session_id, frames: frames(21, 21, [elsewhere]), owner: null }, { urgent: true });
  await deliver();
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 1 },
    { delivery: 'sent', reason: 'severity', n: 1 },
    { delivery: 'sent', reason: 'zone', n: 1 },
  ]);
  expect(await rows('select pending from alert_states')).toEqual([{ pending: false }]);
});

it('sends an alert once when two deliverers look at the same time', async () => {
  await makeRule();
  await violate(1, 1);
  const other = new AlertDeliverer({ fork, logger, config: { POLL_EVERY_S: 1 }, handedOver: () => undefined });
  await Promise.all([alerts.tick(), other.tick()]);
  await Promise.all([deliver(), other.tick()]);
  expect(receiver.received).toHaveLength(1);
  expect(await rows('select 1 from deliveries')).toHaveLength(1);
});

it('is sent when all its channels have it: a notification, webhooks, mail; who has it gets it once', async () => {
  const channels = [
    { kind: 'notify' },
    { kind: 'webhook', url },
    { kind: 'webhook', url: `${url}?2` },
    { kind: 'email', to: ['chef@kitchen.example'] },
  ];
  await makeRule({ channels });
  await violate(1, 1);
  answers = [204, 503];
  await deliver();
  expect(await rows('select delivery, delivered from alert_history')).toMatchObject([{ delivery: 'pending', delivered: { length: 3 } }]);
  await hurry();
  await deliver();
  expect(await rows('select delivery, cardinality(delivered) as has from alert_history')).toEqual([{ delivery: 'sent', has: 4 }]);
  expect(receiver.received).toHaveLength(3);
  expect(new Set(arrivedIds()).size).toBe(2);
  expect(mail.mails.map(({ to }) => to)).toEqual([['chef@kitchen.example']]);
  expect(mail.mails[0]?.raw).toMatch(/^Subject: .*no=5Fhairnet_at_camera_cam/m);
  expect(await rows('select n.title, n.severity, u.username from notifications n join users u on u.id = n.user_id')).toEqual([
    { title: 'r: 1 × no_hairnet at camera cam', severity: 'warning', username: 'ada' },
  ]);
});

it('signs webhooks with secrets of whoever changed the rule last', async () => {
  await storeTestSecret(db.em, { name: 'hook', value: SIGNING, hosts: ['127.0.0.1'], granted_to: [] });
  await makeRule({ channels: [{ kind: 'webhook', url, secrets: ['hook'] }] });
  await violate(1, 1);
  await deliver();
  const [{ body, headers } = { body: '', headers: {} as Record<string, string> }] = receiver.received;
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', Buffer.alloc(24, 9)).update(signed).digest('base64')}`);
  await pass(100);
  const bo = await makeUser(db.em, 'bo');
  await rows('update alert_rules set user_id = $1', [bo.id]);
  await violate(2, 2);
  await deliver();
  expect(await rows(`select error from alert_history where delivery = 'pending'`)).toEqual([
    { error: expect.stringContaining('secret "hook"') },
  ]);
});

it('tells the owner of the camera where a rule is nobody’s yet', async () => {
  await query(db.em, `insert into alert_rules (name, channels) values ('seeded', '[{"kind": "notify"}]')`);
  const bo = await makeUser(db.em, 'bo');
  const session_id = await makeSession(db.em, bo.id, { camera_id: 'bos' });
  await writer.push({ session_id, frames: frames(1, 3, [person('p')]), owner: null }, { urgent: true });
  await look();
  expect(await history()).toEqual([{ delivery: 'sent', reason: 'due', n: 1 }]);
  expect(await rows('select user_id::int4 as user_id from notifications')).toEqual([{ user_id: bo.id }]);
});

it('leaves violations outside of a rule’s hours to themselves', async () => {
  await makeRule({ schedule: { timezone: 'UTC', days: [1], from: '00:00', to: '11:00' } });
  await violate(1, 2);
  await deliver();
  expect(await history()).toEqual([{ delivery: 'suppressed', reason: 'outside_schedule', n: 2 }]);
});
