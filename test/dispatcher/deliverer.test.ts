import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { pino } from 'pino';
import { enqueueEmail, enqueueWebhook, type Notice, notifyUser } from '../../commands/enqueue-delivery.ts';
import { publishFeeds } from '../../commands/publish-feed.ts';
import { claimDeliveries } from '../../commands/send-deliveries.ts';
import { loadConfig } from '../../config/env.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { Deliverer } from '../../dispatcher/deliverer.ts';
import { createSenders } from '../../dispatcher/senders.ts';
import { createOutboundAgent } from '../../engines/outbound-guard.ts';
import { sendWebhook } from '../../engines/outbound-webhook.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { countOf, emptyDatabase, makeUser } from '../support/factories.ts';
import { MailServer } from '../support/mail-server.ts';
import { Receiver } from '../support/receiver.ts';
import { storeTestSecret, VAULT_KEY } from '../support/secrets.ts';

const [NEW_KEY, OLD_KEY] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const whsec = (key: Buffer): string => `whsec_${key.toString('base64')}`;

let db: TestDatabase;
let em: Em;
let receiver: Receiver;
let user_id: number;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
beforeEach(async () => {
  await emptyDatabase(em);
  receiver = await Receiver.start();
  user_id = (await makeUser(em)).id;
  await storeTestSecret(em, { name: 'new', value: whsec(NEW_KEY), hosts: ['127.0.0.1'], granted_to: ['ada'] });
  await storeTestSecret(em, { name: 'old', value: whsec(OLD_KEY), hosts: ['127.0.0.1'], granted_to: ['ada'] });
});
afterEach(async () => await receiver.stop());
afterAll(async () => await db.drop());

const fork = () => db.orm.em.fork() as Em;
const notice = (key: string): Notice => ({
  key,
  user_id,
  source_type: 'breach',
  source_id: key,
  message: { type: 'sla.breach', title: `breach ${key}`, text: 'a task waits', data: { breach: key } },
});

/** Deliverers of their own, as in as many dispatchers. */
async function withDeliverers<T>(settings: Record<string, string>, work: (deliverers: Deliverer[]) => Promise<T>, count = 1): Promise<T> {
  const config = loadConfig({ SECRETS_KEY: VAULT_KEY, OUTBOUND_ALLOW: '127.0.0.0/8', ...settings });
  const senders = createSenders(config, fork);
  const deliverers = Array.from({ length: count }, () => new Deliverer({ fork, logger: pino({ level: 'silent' }), config, senders }));
  try {
    return await work(deliverers);
  } finally {
    await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
    await senders.close();
  }
}

type Row = { state: string; attempts: number; code: string; in_s: number | null };
const rowOf = async (key: string): Promise<Row> => {
  const sql = `select state, attempts, code, extract(epoch from next_at - clock_timestamp())::float8 as in_s from deliveries where key = $1`;
  return (await query<Row>(em, sql, [key]))[0] as Row;
};
const hook = async (key: string, secrets = ['new']) => await enqueueWebhook(em, notice(key), { url: receiver.url, secrets });
/** Brings the next attempt of all that wait forward to now. */
const hurry = async () => await query(em, `update deliveries set next_at = now() - interval '1 second' where state = 'waiting'`);
const mailTo = async (key: string, ...names: string[]) =>
  await enqueueEmail(em, notice(key), { to: names.map((name) => `${name}@example.org`) });

test('a webhook is signed as Standard Webhooks say, with both keys while they are changed', async () => {
  await hook('b1', ['new', 'old']);
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(await rowOf('b1')).toMatchObject({ state: 'delivered', attempts: 1, code: 'http_200', in_s: null });
  const [{ headers, body } = { headers: {} as Record<string, string>, body: '' }] = receiver.received;
  const signed = `b1.${headers['webhook-timestamp']}.${body}`;
  const signatures = [NEW_KEY, OLD_KEY].map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  expect(headers['webhook-signature']).toBe(signatures.join(' '));
  expect(Math.abs(Number(headers['webhook-timestamp']) * 1000 - Date.now())).toBeLessThan(60_000);
  expect(JSON.parse(body)).toEqual({
    type: 'sla.breach',
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    data: { title: 'breach b1', text: 'a task waits', breach: 'b1' },
  });
});

test('what fails is tried again under the same id, until it gets through', async () => {
  receiver.react = (_, earlier) => [500, 'disconnect' as const, 302, 429, 204][earlier] ?? 200;
  await hook('b2');
  await withDeliverers({}, async ([one]) => {
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      await one?.tick();
      expect(await rowOf('b2')).toMatchObject({ attempts: attempt, state: attempt === 5 ? 'delivered' : 'waiting' });
      await hurry();
    }
  });
  expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(Array(5).fill('b2'));
});

test('a receiver that says when to come again is left alone until then', async () => {
  receiver.react = () => ({ status: 503, headers: { 'retry-after': '600' } });
  await hook('b3');
  await withDeliverers({}, async ([one]) => await one?.tick());
  const { code, in_s } = await rowOf('b3');
  expect(code).toBe('http_503');
  expect(in_s).toBeGreaterThan(500);
});

test('a receiver that is gone gets no second request; nor does one that is not public', async () => {
  receiver.react = () => 410;
  await hook('b4');
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(await rowOf('b4')).toMatchObject({ state: 'dead', code: 'http_410', attempts: 1 });
  await hook('b5');
  await withDeliverers({ OUTBOUND_ALLOW: '' }, async ([one]) => await one?.tick());
  expect(await rowOf('b5')).toMatchObject({ state: 'dead', code: 'outbound_refused' });
  expect(receiver.received).toHaveLength(1);
});

test('the status is the verdict, whatever the body does after it', async () => {
  const endless = (res: ServerResponse): void => {
    const more = (): void => {
      if (!res.destroyed) res.write(Buffer.alloc(65_536), more);
    };
    res.writeHead(200);
    more();
  };
  const bodies: Record<string, (res: ServerResponse) => void> = {
    stops: (res) => void res.writeHead(200, { 'content-length': '1000000' }).write('x'),
    breaks: (res) => res.writeHead(200, { 'content-length': '1000000' }).write('x', () => res.destroy()),
    endless,
    lies: (res) => void res.writeHead(204, { 'content-encoding': 'gzip', 'retry-after': '86400' }).end(),
  };
  receiver.react = (request) => bodies[request.headers['webhook-id'] ?? ''] ?? 500;
  for (const name of Object.keys(bodies)) await hook(name);
  await withDeliverers({}, async ([one]) => await one?.tick());
  for (const name of Object.keys(bodies))
    expect([name, await rowOf(name)]).toEqual([name, expect.objectContaining({ state: 'delivered' })]);
  expect(receiver.received).toHaveLength(4);
});

test('an address that is not public is not called, however it is spelt or became so; a name is looked up again, a redirect not followed', async () => {
  const spellings = ['10.0.0.1', '169.254.169.254', '[::ffff:a9fe:a9fe]', '0x0a.0.0.1', '2130706433', '[::1]'];
  for (const [n, host] of spellings.entries()) await enqueueWebhook(em, notice(`p${n}`), { url: `http://${host}/x`, secrets: ['new'] });
  const hosts = spellings.map((host) => new URL(`http://${host}`).hostname);
  await storeTestSecret(em, { name: 'any', value: whsec(NEW_KEY), hosts, granted_to: ['ada'] });
  await query(em, `update deliveries set target = jsonb_set(target, '{secrets}', '["any"]')`);
  await withDeliverers({ OUTBOUND_ALLOW: '' }, async ([one]) => {
    for (let n = 0; n < 3; n += 1) await one?.tick();
  });
  for (const n of spellings.keys()) expect(await rowOf(`p${n}`)).toMatchObject({ state: 'dead', code: 'outbound_refused', attempts: 1 });

  let address = '127.0.0.1';
  const agent = createOutboundAgent(parseOutboundAllow([]), (_host, _options, done) => done(null, [{ address, family: 4 }]));
  const send = async () =>
    await sendWebhook(agent, {
      url: receiver.url.replace('127.0.0.1', 'rebound.example.org'),
      id: 'x',
      body: '{}',
      keys: [NEW_KEY],
      at: new Date(),
      timeout_ms: 5_000,
    });
  for (address of ['127.0.0.1', '169.254.169.254', '::ffff:10.0.0.1'])
    expect(await send()).toMatchObject({ result: 'again', code: 'outbound_refused', blames: 'target' });
  await agent.close();
  expect(receiver.received).toEqual([]);

  const other = await Receiver.start();
  receiver.react = () => ({ status: 307, headers: { location: other.url } });
  await hook('redirected');
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(await rowOf('redirected')).toMatchObject({ state: 'waiting', code: 'http_307' });
  expect(other.received).toEqual([]);
  await other.stop();
});

test('a target that fails by itself is left alone with all that waits for it, tried by one, and open again when that gets through', async () => {
  receiver.react = () => 500;
  for (let n = 0; n < 20; n += 1) await hook(`d${n}`);
  await withDeliverers({}, async ([one]) => {
    for (let look = 0; look < 10; look += 1) await one?.tick();
    expect(receiver.received.length).toBeGreaterThanOrEqual(5);
    expect(receiver.received.length).toBeLessThanOrEqual(8);
    const seen = receiver.received.length;
    await query(em, `update delivery_lanes set paused_until = now() - interval '1 second'`);
    await one?.tick();
    expect(receiver.received.length).toBe(seen + 1);
    receiver.react = () => 200;
    await query(em, `update delivery_lanes set paused_until = now() - interval '1 second'`);
    await eventually(async () => {
      await one?.tick();
      expect(await countOf(em, `deliveries where state = 'waiting' and attempts = 0`)).toBe(0);
    });
  });
  expect(await query(em, 'select failures, paused_until from delivery_lanes')).toEqual([{ failures: 0, paused_until: null }]);
});

test('what a target asks for counts for all that waits for it; a message that it refuses does not hold up the others', async () => {
  receiver.react = (request) => (request.headers['webhook-id'] === 'bad' ? 422 : 200);
  for (let n = 0; n < 6; n += 1) await hook(`g${n}`);
  await hook('bad');
  await withDeliverers({}, async ([one]) => {
    for (let look = 0; look < 8; look += 1) {
      await one?.tick();
      await hurry();
    }
    expect(await countOf(em, `deliveries where state = 'delivered'`)).toBe(6);
    expect(await countOf(em, 'delivery_lanes where failures > 0')).toBe(0);
    receiver.react = () => ({ status: 429, headers: { 'retry-after': '120' } });
    await hook('busy');
    await one?.tick();
    const seen = receiver.received.length;
    await hook('later');
    await hurry();
    await one?.tick();
    expect(receiver.received.length).toBe(seen);
  });
});

test('after a day a delivery is given up, and its owner is told once for a target and day', async () => {
  receiver.react = () => 500;
  for (const key of ['b6', 'b7']) await hook(key);
  await query(em, `update deliveries set give_up_at = now()`);
  await withDeliverers({}, async ([one]) => await one?.tick());
  for (const key of ['b6', 'b7']) expect(await rowOf(key)).toMatchObject({ state: 'dead', code: 'http_500' });
  expect(await countOf(em, `notifications where user_id = $1 and source_type = 'delivery'`, [user_id])).toBe(1);
});

test('a secret that is missing, of another host or no key is told, and tried again', async () => {
  await storeTestSecret(em, { name: 'elsewhere', value: whsec(NEW_KEY), hosts: ['example.org'], granted_to: ['*'] });
  await storeTestSecret(em, { name: 'short', value: 'abc', hosts: ['127.0.0.1'], granted_to: ['*'] });
  for (const name of ['nothing', 'elsewhere', 'short']) await hook(name, [name]);
  await withDeliverers({}, async ([one]) => await one?.tick());
  for (const [name, code] of [
    ['nothing', 'not_found'],
    ['elsewhere', 'forbidden'],
    ['short', 'invalid_input'],
  ])
    expect(await rowOf(name as string)).toMatchObject({ state: 'waiting', code });
  expect(receiver.received).toEqual([]);
});

test('the same key is enqueued once, and three deliverers send it once', async () => {
  for (let n = 0; n < 40; n += 1) {
    const [first, second] = [await hook(`c${n}`), await hook(`c${n}`)];
    expect(first).toBe(second);
  }
  const all = async (deliverers: Deliverer[]) =>
    await eventually(async () => {
      await Promise.all(deliverers.map((deliverer) => deliverer.tick()));
      expect(await countOf(em, `deliveries where state = 'delivered'`)).toBe(40);
    });
  await withDeliverers({}, all, 3);
  expect(receiver.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(
    Array.from({ length: 40 }, (_, n) => `c${n}`).sort(),
  );
});

test('a receiver that hangs gets four requests at most from a process, and holds up no other', async () => {
  receiver.react = () => 'hang';
  for (let n = 0; n < 12; n += 1) await hook(`h${n}`);
  const other = await Receiver.start();
  await enqueueWebhook(em, notice('other'), { url: other.url, secrets: ['new'] });
  await withDeliverers({}, async ([one]) => {
    one?.poke();
    await eventually(() => expect(other.received).toHaveLength(1));
    await eventually(() => expect(receiver.received).toHaveLength(4));
    one?.poke();
    await receiver.stop();
  });
  expect(receiver.most_open).toBe(4);
  await other.stop();
});

test('an attempt of a process that was killed is repeated when its lease is over; its late end does not undo the other’s', async () => {
  await hook('k1');
  const [lost] = await claimDeliveries(em, new Map());
  expect(lost?.attempts).toBe(1);
  await withDeliverers({}, async ([one]) => {
    await one?.tick();
    expect(receiver.received).toEqual([]);
    await hurry();
    await one?.tick();
  });
  expect(await rowOf('k1')).toMatchObject({ state: 'delivered', attempts: 2 });
});

test('mail goes through a real SMTP server, under one message id; whom the server took it for does not get it again', async () => {
  const server = await new MailServer().listen();
  server.refuses.set('busy@example.org', { code: 451, text: 'not today' });
  server.refuses.set('unknown@example.org', { code: 550, text: 'nobody of\r\n that name' });
  await mailTo('m1', 'ops', 'busy', 'unknown');
  await mailTo('m2', 'busy');
  await mailTo('m3', 'unknown');
  await withDeliverers({ SMTP_URL: server.url(), SMTP_FROM: 'Engine <engine@example.org>' }, async ([one]) => {
    await one?.tick();
    expect(await rowOf('m1')).toMatchObject({ state: 'waiting', code: 'smtp_451' });
    expect(await rowOf('m2')).toMatchObject({ state: 'waiting', code: 'smtp_451' });
    expect(await rowOf('m3')).toMatchObject({ state: 'dead', code: 'smtp_550' });
    server.refuses.delete('busy@example.org');
    await query(em, `update deliveries set next_at = now() - interval '1 second' where key = 'm1'`);
    await one?.tick();
  });
  await server.close();
  expect(await rowOf('m1')).toMatchObject({ state: 'delivered', attempts: 2 });
  expect(await query(em, `select detail from deliveries where key = 'm1'`)).toEqual([
    { detail: expect.stringMatching(/^unknown@example.org: 550 nobody/) },
  ]);
  expect(server.mails.map(({ to }) => to)).toEqual([['ops@example.org'], ['busy@example.org']]);
  for (const { raw } of server.mails) {
    expect(raw).toMatch(/^From: Engine <engine@example\.org>/m);
    expect(raw).toMatch(/^To: ops@example\.org, busy@example\.org, unknown@example\.org/m);
    expect(raw).toMatch(/^Subject: breach m1/m);
    expect(raw).toMatch(/^Message-ID: <m1@example\.org>/m);
  }
});

test('a mail server that refuses the message itself, or the login, is told apart', async () => {
  const server = await new MailServer().listen();
  server.refuses_message = { code: 554, text: 'looks like spam' };
  await mailTo('s1', 'ops');
  await withDeliverers({ SMTP_URL: server.url(), SMTP_FROM: 'engine@example.org' }, async ([one]) => await one?.tick());
  expect(await rowOf('s1')).toMatchObject({ state: 'dead', code: 'smtp_554' });
  await mailTo('s2', 'ops');
  await withDeliverers({ SMTP_URL: server.url('ada:wrong@'), SMTP_FROM: 'engine@example.org' }, async ([one]) => await one?.tick());
  expect(await rowOf('s2')).toMatchObject({ state: 'waiting', code: 'smtp_535' });
  await server.close();
});

test('without a mail server mail waits and says why', async () => {
  await enqueueEmail(em, notice('m4'), { to: ['ops@example.org'] });
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(await rowOf('m4')).toMatchObject({ state: 'waiting', code: 'unavailable' });
});

test('a body that is too large for a webhook leaves its data behind', async () => {
  const large = { ...notice('l1'), message: { ...notice('l1').message, data: { text: 'x'.repeat(20_000) } } };
  await enqueueWebhook(em, large, { url: receiver.url, secrets: ['new'] });
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(JSON.parse(receiver.received[0]?.body ?? '').data).toEqual({ title: 'breach l1', text: 'a task waits', truncated: true });
});

test('notifications are told once, and numbered in the order in which they can be seen', async () => {
  const seqs = async () =>
    (await query<{ seq: number }>(em, 'select seq::int4 as seq from notifications order by id')).map(({ seq }) => seq);
  await query(em, `update feeds set last_seq = 0`);
  for (let twice = 0; twice < 2; twice += 1) await notifyUser(em, { notice: notice('n1'), severity: 'info' });
  const open = fork();
  await open.begin();
  await notifyUser(open, { notice: notice('n2'), severity: 'critical' });
  await notifyUser(em, { notice: notice('n3'), severity: 'info' });
  expect((await Promise.all([publishFeeds(fork()), publishFeeds(fork()), publishFeeds(fork())])).reduce((a, b) => a + b)).toBe(2);
  await open.commit();
  expect(await seqs()).toEqual([1, null, 2]);
  expect(await publishFeeds(em)).toBe(1);
  expect(await seqs()).toEqual([1, 3, 2]);
});
