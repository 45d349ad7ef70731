import { createHmac } from 'node:crypto';
import { pino } from 'pino';
import { SMTPServer } from 'smtp-server';
import { enqueueEmail, enqueueWebhook, type Notice, notifyUser } from '../../commands/enqueue-delivery.ts';
import { publishFeeds } from '../../commands/publish-feed.ts';
import { claimDeliveries } from '../../commands/send-deliveries.ts';
import { loadConfig } from '../../config/env.ts';
import { Deliverer } from '../../dispatcher/deliverer.ts';
import { createSenders } from '../../dispatcher/senders.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { countOf, emptyDatabase, makeUser } from '../support/factories.ts';
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
const hurry = async () => await query(em, `update deliveries set next_at = now() where state = 'waiting'`);

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

test('after a day a delivery is given up', async () => {
  receiver.react = () => 500;
  await hook('b6');
  await query(em, `update deliveries set give_up_at = now()`);
  await withDeliverers({}, async ([one]) => await one?.tick());
  expect(await rowOf('b6')).toMatchObject({ state: 'dead', code: 'http_500' });
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

test('mail goes through a real SMTP server, under one message id; what the server refuses for good is given up', async () => {
  const mails: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo: ({ address }, _session, done) => {
      const refusal = { busy: 451, unknown: 550 }[address.split('@')[0] ?? ''];
      done(refusal ? Object.assign(new Error('not today'), { responseCode: refusal }) : null);
    },
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push(Buffer.concat(chunks).toString('utf8'));
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as { port: number };
  await enqueueEmail(em, notice('m1'), { to: ['ops@example.org', 'lead@example.org'] });
  await enqueueEmail(em, notice('m2'), { to: ['busy@example.org'] });
  await enqueueEmail(em, notice('m3'), { to: ['unknown@example.org'] });
  await withDeliverers({ SMTP_URL: `smtp://127.0.0.1:${port}`, SMTP_FROM: 'engine@example.org' }, async ([one]) => await one?.tick());
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(await rowOf('m1')).toMatchObject({ state: 'delivered' });
  expect(await rowOf('m2')).toMatchObject({ state: 'waiting', code: 'smtp_451' });
  expect(await rowOf('m3')).toMatchObject({ state: 'dead', code: 'smtp_550' });
  expect(mails).toHaveLength(1);
  expect(mails[0]).toMatch(/^From: engine@example\.org/m);
  expect(mails[0]).toMatch(/^To: ops@example\.org, lead@example\.org/m);
  expect(mails[0]).toMatch(/^Subject: breach m1/m);
  expect(mails[0]).toMatch(/^Message-ID: <m1@example\.org>/m);
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
