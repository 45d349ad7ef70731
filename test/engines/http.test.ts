import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { createHttpEngine } from '../../engines/http/index.ts';
import { createOutboundAgent } from '../../engines/outbound-guard.ts';
import { outboundRequest } from '../../engines/outbound-request.ts';
import { engineRun } from '../support/engine-context.ts';

type Seen = { method: string; url: string; headers: http.IncomingHttpHeaders; body: string };
const seen: Seen[] = [];
let server: http.Server;
let port: number;

async function body(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const ROUTES: Record<string, (response: http.ServerResponse, query: URLSearchParams) => void> = {
  '/ok': (response) => response.setHeader('set-cookie', 'a=b').setHeader('content-type', 'text/plain').end('hello'),
  '/status': (response, query) => response.writeHead(Number(query.get('code'))).end('because'),
  '/redirect': (response, query) =>
    response.writeHead(Number(query.get('code') ?? 302), { location: query.get('to') ?? '/ok' }).end('moved'),
  '/loop': (response) => response.writeHead(302, { location: '/loop' }).end(),
  '/hang': () => undefined,
  '/slow-body': (response) => void response.write('first'),
  '/big': (response) => response.end('ä'.repeat(200_000)),
  '/binary': (response) => response.end(Buffer.from([0x61, 0x00, 0xff, 0x62])),
  '/latin1': (response) => response.setHeader('content-type', 'text/plain; charset=iso-8859-1').end(Buffer.from([0xe4])),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('x');
    setImmediate(() => response.destroy());
  },
};

beforeAll(async () => {
  server = http.createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    seen.push({ method: request.method ?? '', url: url.pathname, headers: request.headers, body: await body(request) });
    if (url.pathname === '/echo') response.end(JSON.stringify(seen.at(-1)));
    else ROUTES[url.pathname]?.(response, url.searchParams);
  });
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen.length = 0;
});

const engineWith = (...allow: string[]) => createHttpEngine({ OUTBOUND_ALLOW: allow });
const engine = engineWith('127.0.0.1');
const at = (path: string, host = '127.0.0.1'): string => `http://${host}:${port}${path}`;

async function call(parameters: Record<string, unknown>, options: Parameters<typeof engineRun>[0] = {}, by = engine) {
  const run = await engineRun(options);
  try {
    const outcome = await by.run(by.parameters.parse(parameters), run.context);
    return { outcome, log: run.of('system'), run };
  } finally {
    await run.close();
  }
}

describe('http engine', () => {
  test('gives status, headers of interest and body', async () => {
    const { outcome, log } = await call({ url: at('/ok') });
    expect(outcome).toMatchObject({
      status: 'completed',
      result: { status: 200, body: 'hello', truncated: false, headers: { 'content-type': 'text/plain' } },
    });
    expect(outcome.result?.headers).not.toHaveProperty('set-cookie');
    expect(log).toEqual([`> GET http://127.0.0.1:${port}/ok`, expect.stringMatching(/^< 200 in [\d.]+ ms, 5 bytes$/)]);
  });

  test('sends method, headers, a JSON body and an idempotency key of the attempt', async () => {
    const { outcome, run } = await call(
      { method: 'POST', url: at('/echo'), headers: { 'X-One': '1' }, body: { a: [1] } },
      { instance: { attempt: 3 } },
    );
    const got = JSON.parse(String(outcome.result?.body)) as Seen;
    expect(got).toMatchObject({ method: 'POST', body: '{"a":[1]}', headers: { 'x-one': '1', 'content-type': 'application/json' } });
    expect(got.headers['idempotency-key']).toBe(`${run.context.instance.runid}:3`);
  });

  test('a given idempotency key and content type win', async () => {
    const { outcome } = await call({
      method: 'PUT',
      url: at('/echo'),
      headers: { 'Idempotency-Key': 'mine', 'Content-Type': 'text/csv' },
      body: 'a,b',
    });
    expect(JSON.parse(String(outcome.result?.body))).toMatchObject({
      body: 'a,b',
      headers: { 'idempotency-key': 'mine', 'content-type': 'text/csv' },
    });
  });

  test('an unexpected status fails the task with the code and the beginning of the answer', async () => {
    const { outcome } = await call({ url: at('/status?code=503') });
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'http_status',
      error: { message: expect.stringContaining('answered 503, expected 2xx'), details: { status: 503, body: 'because' } },
    });
    expect((await call({ url: at('/status?code=404'), expected_status: [200, 404] })).outcome.status).toBe('completed');
    expect((await call({ url: at('/status?code=418'), expected_status: ['4xx'] })).outcome.status).toBe('completed');
  });

  test('the body is cut at its limit, between characters', async () => {
    const { outcome } = await call({ url: at('/big'), max_response_bytes: 1001 });
    expect(outcome.result).toMatchObject({ truncated: true, body: 'ä'.repeat(500) });
  });

  test('NUL and invalid UTF-8 become storable text, other charsets are decoded', async () => {
    expect((await call({ url: at('/binary') })).outcome.result?.body).toBe('a\uFFFD\uFFFDb');
    expect((await call({ url: at('/latin1') })).outcome.result?.body).toBe('ä');
  });

  test('follows redirects, or not, and not for ever', async () => {
    expect((await call({ url: at('/redirect') })).outcome.result).toMatchObject({ status: 200, url: at('/ok') });
    expect((await call({ url: at('/redirect'), follow_redirects: false, expected_status: ['3xx'] })).outcome.result).toMatchObject({
      status: 302,
    });
    const { outcome } = await call({ url: at('/loop') });
    expect(outcome.code).toBe('too_many_redirects');
    expect(seen.filter((one) => one.url === '/loop')).toHaveLength(6);
  });

  test('a POST becomes GET at 303 and stays POST with its body at 307', async () => {
    await call({ method: 'POST', url: at('/redirect?code=303&to=/echo'), body: 'x' });
    expect(seen.at(-1)).toMatchObject({ method: 'GET', body: '' });
    await call({ method: 'POST', url: at('/redirect?code=307&to=/echo'), body: 'x' });
    expect(seen.at(-1)).toMatchObject({ method: 'POST', body: 'x' });
  });

  test('secrets are sent, masked in the answer, and dropped when a redirect leaves the host', async () => {
    const both = engineWith('127.0.0.0/8');
    const secrets = { token: 's3cr3t-value' };
    const headers = { 'X-Token': { secret: 'token' }, Authorization: 'Bearer open' };
    const direct = await call({ url: at('/echo'), headers }, { secrets }, both);
    expect(seen.at(-1)?.headers['x-token']).toBe('s3cr3t-value');
    expect(JSON.stringify([direct.outcome, direct.log])).not.toContain('s3cr3t-value');
    await call({ url: at(`/redirect?to=${encodeURIComponent(at('/echo', '127.0.0.2'))}`), headers }, { secrets }, both);
    expect(seen.at(-1)?.headers).not.toHaveProperty('x-token');
    expect(seen.at(-1)?.headers).not.toHaveProperty('authorization');
    await call({ url: at('/redirect?to=/echo'), headers }, { secrets }, both);
    expect(seen.at(-1)?.headers['x-token']).toBe('s3cr3t-value');
  });

  test('no answer is a failure of the task that says why', async () => {
    expect((await call({ url: at('/cut') })).outcome).toMatchObject({ status: 'failed', code: 'no_answer' });
    expect((await call({ url: 'http://127.0.0.1:1/' })).outcome).toMatchObject({
      code: 'no_answer',
      error: { details: { error: 'ECONNREFUSED' } },
    });
  });

  test.each(['cancel', 'timeout', 'superseded', 'shutdown'] as const)('obeys %s within a second while the server hangs', async (reason) => {
    for (const path of ['/hang', '/slow-body']) {
      const run = await engineRun();
      const work = engine.run(engine.parameters.parse({ url: at(path) }), run.context);
      await new Promise<void>((done) => server.once('request', () => setImmediate(done)));
      const before = performance.now();
      run.stop(reason);
      const ending = await work.then(
        (outcome) => outcome.status,
        (error: Error) => error.message,
      );
      expect(performance.now() - before).toBeLessThan(1_000);
      expect(ending).toMatch({ cancel: /^cancelled$/, timeout: /^timed_out$/, superseded: /taken over/, shutdown: /stopping/ }[reason]);
      await run.close();
    }
  });
});

describe('outbound guard', () => {
  const strict = engineWith();
  test.each([
    '127.0.0.1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '127.1',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '0.0.0.0',
    '169.254.169.254',
    '[64:ff9b::7f00:1]',
    '①②⑦.0.0.1',
  ])('refuses %s without a connection', async (host) => {
    const { outcome, log } = await call({ url: at('/ok', host) }, {}, strict);
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'outbound_refused',
      error: { message: expect.stringContaining('not public') },
    });
    expect(seen).toEqual([]);
    expect(log.at(-1)).toMatch(/^! connection to ".*" refused/);
  });

  test.each(['http://10.0.0.1/', 'http://[::ffff:a00:1]/', 'http://2852039166/'])('refuses a redirect to %s', async (to) => {
    const { outcome } = await call({ url: at(`/redirect?to=${encodeURIComponent(to)}`) });
    expect(outcome.code).toBe('outbound_refused');
  });

  test.each(['file:///etc/passwd', 'ftp://1.1.1.1/', 'http://user:pass@1.1.1.1/'])('refuses a redirect to %s as bad input', async (to) => {
    const { outcome } = await call({ url: at(`/redirect?to=${encodeURIComponent(to)}`) });
    expect(outcome).toMatchObject({ status: 'failed', code: 'invalid_input' });
  });

  const resolving = (...addresses: string[]) =>
    createOutboundAgent(parseOutboundAllow([]), (_host, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    );
  const ask = (agent: ReturnType<typeof resolving>) =>
    outboundRequest(agent, {
      method: 'GET',
      url: at('/ok', 'service.example'),
      headers: {},
      signal: AbortSignal.timeout(2_000),
      max_response_bytes: 10,
      max_redirects: 0,
    });

  test('refuses a name that resolves inside, even beside a public address', async () => {
    await expect(ask(resolving('127.0.0.1'))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(ask(resolving('1.1.1.1', '::1'))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(ask(resolving())).rejects.toMatchObject({ code: 'forbidden' });
    expect(seen).toEqual([]);
  });

  test('connects to the address that was checked, also when the name resolves elsewhere a moment later', async () => {
    const answers = ['127.0.0.1', '10.0.0.1'];
    let asked = 0;
    const agent = createOutboundAgent(parseOutboundAllow(['127.0.0.1']), (_host, _options, done) =>
      done(null, [{ address: answers[asked++] ?? '', family: 4 }]),
    );
    const response = await ask(agent);
    expect([response.status, seen.at(-1)?.headers.host, asked]).toEqual([200, `service.example:${port}`, 1]);
    await agent.close();
  });

  test('a host name on the list is reached wherever it resolves to', async () => {
    expect((await call({ url: at('/ok', 'localhost') }, {}, engineWith('localhost'))).outcome.status).toBe('completed');
  });

  test('knows no proxies', async () => {
    const before = process.env.HTTP_PROXY;
    process.env.HTTP_PROXY = 'http://127.0.0.1:1';
    try {
      expect((await call({ url: at('/ok') }, {}, engineWith('127.0.0.1'))).outcome.status).toBe('completed');
    } finally {
      if (before === undefined) delete process.env.HTTP_PROXY;
      else process.env.HTTP_PROXY = before;
    }
  });
});
