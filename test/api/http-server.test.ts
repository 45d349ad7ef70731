import { connect } from 'node:net';
import type { HttpServer } from '../../api/http-server.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { contextOf, startTask } from '../support/factories.ts';
import { serve } from '../support/listening.ts';

let api: TestApi;
let server: HttpServer;
beforeAll(async () => {
  api = await createTestApi();
  server = await serve(api.app);
});
afterAll(async () => {
  await server.stop();
  await api.stop();
});

/** Sends bytes as they are and returns everything that comes back until the server hangs up. */
const speak = (bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    socket.once('close', () => resolve(said)).once('error', reject);
  });

const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));

describe('what is not HTTP', () => {
  it.each([
    ['nonsense', 'hello\r\n\r\n', 400],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a broken header', 'GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n', 400],
    ['two lengths', 'POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', 400],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ])('(%s) is refused as a problem', async (_name, bytes, status) => {
    const answer = await speak(bytes);
    expect(answer.split('\r\n')[0]).toContain(`HTTP/1.1 ${status}`);
    expect(bodyOf(answer)).toMatchObject({ status, request_id: expect.any(String), errors: [] });
  });
});

describe('event streams', () => {
  it('are limited to 50 per user, and a closed one makes room', async () => {
    const { runid } = await startTask(contextOf(api.em, api.user));
    const headers = { Authorization: `Bearer ${api.user.key}` };
    const url = `${server.url}/api/v1/instances/${runid}/logs/stream`;
    const closing = new AbortController();
    const open = await Promise.all(Array.from({ length: 50 }, () => fetch(url, { headers, signal: closing.signal })));
    expect(new Set(open.map((a) => a.status))).toEqual(new Set([200]));
    expect((await fetch(url, { headers })).status).toBe(429);
    closing.abort();
    await eventually(async () => {
      const again = await fetch(url, { headers });
      await again.body?.cancel();
      expect(again.status).toBe(200);
    });
  });
});
