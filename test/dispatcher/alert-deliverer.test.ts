import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { createAlertRule, deleteAlertRule } from '../../commands/alert-rules.ts';
import type { CommandContext } from '../../commands/context.ts';
import { createVault } from '../../commands/secrets-vault.ts';
import { storeSecret } from '../../commands/store-secret.ts';
import { AlertDeliverer } from '../../dispatcher/alert-deliverer.ts';
import { createAlertSink } from '../../dispatcher/alert-sink.ts';
import type { DetectionWriter } from '../../engines/detection/detection-writer.ts';
import { type Em, query } from '../../entities/sql.ts';
import { AlertRuleCreation } from '../../schemas/alert.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BARE, frames, makeSession, makeWriter, person } from '../support/detections.ts';
import { contextOf, emptyDatabase, makeUser } from '../support/factories.ts';

const KEY = Buffer.alloc(32, 7);
const SIGNING = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;

let db: TestDatabase;
let ctx: CommandContext;
let server: http.Server;
let url: string;
let writer: DetectionWriter;
let deliverer: AlertDeliverer;
let sink: ReturnType<typeof createAlertSink>;
/** Answers of the receiver, one after the other, then 204; `hang`: none. */
let answers: (number | 'hang')[] = [];
const arrived: { id: string; body: string; headers: http.IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    arrived.push({ id: String(request.headers['webhook-id']), body: Buffer.concat(chunks).toString(), headers: request.headers });
    const answer = answers.shift() ?? 204;
    if (answer !== 'hang') response.writeHead(answer).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const config = { DATA_DIR: '/nonexistent', OUTBOUND_ALLOW: ['127.0.0.1'], SECRETS_KEY: KEY.toString('base64') };
  sink = createAlertSink(config, fork);
});
afterAll(async () => {
  await sink.close();
  server.closeAllConnections();
  server.close();
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(db.em);
  await query(db.em, 'truncate alert_rules, cameras cascade');
  const { id } = await makeUser(db.em, 'ada');
  await query(db.em, `update users set role = 'admin' where id = $1`, [id]);
  ctx = contextOf(db.em, { id, username: 'ada', role: 'admin', rights: [] });
  answers = [];
  arrived.length = 0;
  writer = makeWriter(fork);
  deliverer = new AlertDeliverer({ fork, logger: pino({ level: 'silent' }), config: { POLL_EVERY_S: 1 }, sink });
});
afterEach(async () => {
  await writer.stop(5_000);
  await deliverer.stop();
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
/** As if the wait for the next attempt were over. */
const hurry = () => rows(`update alert_history set next_attempt_at = clock_timestamp() - interval '1 second' where delivery = 'pending'`);
/** As if `seconds` had passed since the last delivery. */
const pass = (seconds: number) => rows('update alert_states set delivered_at = delivered_at - make_interval(secs => $1)', [seconds]);

it('sends one of twenty violations within a minute and says why the nineteen others are not', async () => {
  await makeRule();
  await violate(1, 1);
  await deliverer.tick();
  await violate(2, 20);
  await deliverer.tick();
  expect(arrived).toHaveLength(1);
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 1 },
    { delivery: 'suppressed', reason: 'cooldown', n: 19 },
  ]);
  const [first] = await rows<{ id: string; violation_id: string }>(`select id, violation_id from alert_history where delivery = 'sent'`);
  expect(arrived[0]?.id).toBe(first?.id);
  expect(JSON.parse(arrived[0]?.body ?? '')).toMatchObject({
    type: 'alert.fired',
    data: { camera_id: 'cam', rule_name: 'r', violation_type: 'no_hairnet', violation_id: first?.violation_id, violations: 1 },
  });
  expect(arrived[0]?.body).not.toContain('user_id');
});

it('sends one of twenty that come in one batch', async () => {
  await makeRule();
  const session_id = await makeSession(db.em, ctx.actor.id);
  const all = Array.from({ length: 20 }, (_, n) => person(`p${n}`));
  await writer.push({ session_id, frames: frames(1, 5, all), owner: null }, { urgent: true });
  await deliverer.tick();
  await deliverer.tick();
  expect(arrived).toHaveLength(1);
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 1 },
    { delivery: 'suppressed', reason: 'delivery_pending', n: 19 },
  ]);
});

it('tries again after a delivery that failed, and begins the cool-down only when one got through', async () => {
  await makeRule();
  answers = [500];
  await violate(1, 1);
  await deliverer.tick();
  expect(await rows(`select delivery, attempts, error, sent_at, next_attempt_at > now() as later from alert_history`)).toEqual([
    { delivery: 'pending', attempts: 1, error: 'webhook: the receiver answered 500', sent_at: null, later: true },
  ]);
  expect(await rows('select pending, delivered_at from alert_states')).toEqual([{ pending: true, delivered_at: null }]);
  await deliverer.tick();
  expect(arrived).toHaveLength(1);
  await hurry();
  await deliverer.tick();
  expect(arrived.map(({ id }) => id)).toEqual([arrived[0]?.id, arrived[0]?.id]);
  expect(await rows('select delivery, attempts, error from alert_history')).toEqual([{ delivery: 'sent', attempts: 2, error: null }]);
  expect(await rows('select pending, delivered_at is not null as cooling from alert_states')).toEqual([{ pending: false, cooling: true }]);
});

it('fires again when the cool-down is over', async () => {
  await makeRule();
  await violate(1, 1);
  await deliverer.tick();
  await pass(59);
  await violate(2, 2);
  await pass(2);
  await violate(3, 3);
  await deliverer.tick();
  expect(await history()).toEqual([
    { delivery: 'sent', reason: 'due', n: 2 },
    { delivery: 'suppressed', reason: 'cooldown', n: 1 },
  ]);
});

it('lets the next violation fire at once when an alert was given up', async () => {
  const { id } = await makeRule();
  answers = [500];
  await violate(1, 1);
  await rows('update alert_history set attempts = 149');
  await deliverer.tick();
  expect(await rows('select delivery, next_attempt_at from alert_history')).toEqual([{ delivery: 'failed', next_attempt_at: null }]);
  expect(await rows('select pending, delivered_at from alert_states')).toEqual([{ pending: false, delivered_at: null }]);
  await violate(2, 2);
  await deliverer.tick();
  expect((await history()).map(({ delivery }) => delivery)).toEqual(['failed', 'sent']);
  await deleteAlertRule(ctx, id);
  expect(await rows('select count(*)::int4 as n from alert_history where rule_id is null')).toEqual([{ n: 2 }]);
});

it('lets a worse severity and a new zone through the cool-down', async () => {
  await makeRule();
  await violate(1, 1);
  await deliverer.tick();
  const session_id = await makeSession(db.em, ctx.actor.id);
  const worse = person('p1', [{ ...BARE, severity: 'critical' }]);
  await writer.push({ session_id, frames: frames(20, 20, [worse]), owner: null }, { urgent: true });
  const elsewhere = person('p1', [{ ...BARE, severity: 'critical', zone: 'kitchen' }]);
  await writer.push({ session_id, frames: frames(21, 21, [elsewhere]), owner: null }, { urgent: true });
  await deliverer.tick();
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
  const other = new AlertDeliverer({ fork, logger: pino({ level: 'silent' }), config: { POLL_EVERY_S: 1 }, sink });
  await Promise.all([deliverer.tick(), other.tick(), deliverer.tick(), other.tick()]);
  expect(arrived).toHaveLength(1);
});

it('sends what a killed deliverer had begun again, under the same id, and only to channels that have not got it', async () => {
  await makeRule({
    channels: [{ kind: 'notify' }, { kind: 'webhook', url }, { kind: 'webhook', url: `${url}?2` }],
  });
  await violate(1, 1);
  answers = [204, 503];
  await deliverer.tick();
  expect(await rows('select delivery, cardinality(delivered) as has from alert_history')).toEqual([{ delivery: 'pending', has: 2 }]);
  await rows(`update alert_history set next_attempt_at = clock_timestamp() - interval '1 second'`);
  await deliverer.tick();
  expect(arrived.map(({ id }) => id)).toEqual(Array(3).fill(arrived[0]?.id));
  expect(await rows('select delivery, cardinality(delivered) as has from alert_history')).toEqual([{ delivery: 'sent', has: 3 }]);
});

it('signs webhooks with secrets of whoever changed the rule last, and names what is wrong with them', async () => {
  const secret = { name: 'hook', value: SIGNING, hosts: ['127.0.0.1'], granted_to: [] };
  await storeSecret({ ...ctx, em: fork(), vault: createVault(KEY) }, { secret: secret as never, replace: false });
  await makeRule({ channels: [{ kind: 'webhook', url, secrets: ['hook'] }] });
  await violate(1, 1);
  await deliverer.tick();
  const [{ id, body, headers } = { id: '', body: '', headers: {} as http.IncomingHttpHeaders }] = arrived;
  const digest = createHmac('sha256', Buffer.alloc(24, 9)).update(`${id}.${headers['webhook-timestamp']}.${body}`).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${digest}`);
  await pass(100);
  await rows('update alert_rules set user_id = null');
  await violate(2, 2);
  await deliverer.tick();
  expect(await rows(`select error from alert_history where delivery = 'pending'`)).toEqual([
    { error: `webhook: rule "r": nobody's secrets sign for it; change it once` },
  ]);
});

it('leaves violations outside of a rule’s hours to themselves', async () => {
  await makeRule({ schedule: { timezone: 'UTC', days: [1], from: '00:00', to: '11:00' } });
  await violate(1, 2);
  await deliverer.tick();
  expect(await history()).toEqual([{ delivery: 'suppressed', reason: 'outside_schedule', n: 2 }]);
});
