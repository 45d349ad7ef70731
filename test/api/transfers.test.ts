import { Buffer } from 'node:buffer';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import express, { type Express } from 'express';
import supertest from 'supertest';
import { createAuthenticator } from '../../api/authenticate.ts';
import { csvLines } from '../../api/csv-lines.ts';
import { type Download, defineRoute } from '../../api/define-route.ts';
import { mountRoutes } from '../../api/mount-routes.ts';
import { toProblem } from '../../api/problem.ts';
import { requestId } from '../../api/request-log.ts';
import { EngineError } from '../../core/errors.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
let app: Express;
let seen: string[] = [];

const CONTENT = Buffer.from('0123456789');
async function* bytes(range: { start: number; end: number } | null) {
  const part = range ? CONTENT.subarray(range.start, range.end + 1) : CONTENT;
  yield part.subarray(0, 2);
  yield part.subarray(2);
}
async function* failing(after: number) {
  for (let i = 0; i < after; i += 1) yield 'x'.repeat(1_000);
  throw new EngineError('not_found', 'the source is gone');
}

const FILES: Record<string, Download> = {
  '/file': { download: true, content_type: 'video/mp4', filename: 'ä b.mp4', size: 10, etag: '"v1"', open: bytes },
  '/endless': { download: true, content_type: 'text/csv', filename: null, size: null, open: bytes },
  '/gone': { download: true, content_type: 'text/csv', filename: 'a.csv', size: 10, open: () => failing(0) },
  '/breaks': { download: true, content_type: 'text/csv', filename: null, size: null, open: () => failing(3) },
};

const routes = [
  ...Object.entries(FILES).map(([path, file]) =>
    defineRoute({
      id: path.slice(1),
      method: 'get',
      path,
      summary: 'a file',
      tags: ['test'],
      rights: 'user',
      response: { status: 200, schema: null, download: [file.content_type] },
      handle: async () => file,
    }),
  ),
  defineRoute({
    id: 'take',
    method: 'post',
    path: '/take',
    summary: 'takes lines',
    tags: ['test'],
    rights: 'user',
    raw_body: { types: ['application/x-ndjson', 'text/csv'], max_bytes: 1_000 },
    response: { status: 204, schema: null },
    handle: async ({ raw }) => {
      seen.push(`${raw.type} ${await text(raw.stream)}`);
      return undefined;
    },
  }),
];

beforeAll(async () => {
  api = await createTestApi();
  const authenticator = createAuthenticator(api.database.orm, api as never);
  const parts = { ...api, orm: api.database.orm, authenticator, config: { RATE_LIMIT_PER_MINUTE: 0 } };
  const stopping = new AbortController().signal;
  app = express().use(requestId, mountRoutes(routes, { ...parts, stopping, engines: { all: [] } } as never));
  // biome-ignore lint/complexity/useMaxParams: Express knows error handlers by their four parameters
  app.use(((error, _req, res, next) => {
    if (res.headersSent) return next(error);
    const { problem, headers } = toProblem(error, { instance: '', request_id: '' });
    res.status(problem.status).set(headers).type('application/problem+json').send(JSON.stringify(problem));
  }) as express.ErrorRequestHandler);
});
afterAll(() => api.stop());
beforeEach(() => {
  seen = [];
});

const get = (path: string, headers: Record<string, string> = {}) =>
  supertest(app)
    .get(path)
    .set({ Authorization: `Bearer ${api.user.key}`, ...headers })
    .buffer(true)
    .parse(raw);
const raw = (response: supertest.Response, done: (error: Error | null, body: unknown) => void) => {
  const res = response as unknown as NodeJS.ReadableStream;
  const chunks: Buffer[] = [];
  res.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => done(null, Buffer.concat(chunks)));
};

describe('a download', () => {
  test('is sent whole, with its length, its name and nothing that a browser would run', async () => {
    const answer = await get('/file');
    expect([answer.status, answer.body.toString()]).toEqual([200, '0123456789']);
    expect(answer.headers).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': '10',
      'accept-ranges': 'bytes',
      etag: '"v1"',
      'content-disposition': `attachment; filename="? b.mp4"; filename*=UTF-8''%C3%A4%20b.mp4`,
      'content-security-policy': "default-src 'none'; sandbox",
    });
  });

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=5-100', '56789', 'bytes 5-9/10'],
  ])('gives the range %s', async (range, body, content_range) => {
    const answer = await get('/file', { Range: range });
    expect([answer.status, answer.body.toString(), answer.headers['content-range']]).toEqual([206, body, content_range]);
    expect(answer.headers['content-length']).toBe(String(body.length));
  });

  test('gives the whole for what is no single range, and for a file that has changed', async () => {
    const whole: Record<string, string>[] = [
      { Range: 'bytes=0-1,5-6' },
      { Range: 'lines=1-2' },
      { Range: 'bytes=0-1', 'If-Range': '"v0"' },
    ];
    for (const headers of whole)
      expect([(await get('/file', headers)).status, (await get('/file', headers)).body.length]).toEqual([200, 10]);
    expect((await get('/file', { Range: 'bytes=0-1', 'If-Range': '"v1"' })).status).toBe(206);
  });

  test('refuses a range outside of the file', async () => {
    const answer = await get('/file', { Range: 'bytes=10-' });
    expect([answer.status, answer.headers['content-type']]).toEqual([416, 'application/problem+json; charset=utf-8']);
  });

  test('answers HEAD without a body', async () => {
    const answer = await supertest(app).head('/file').set('Authorization', `Bearer ${api.user.key}`);
    expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([200, '10', undefined]);
  });

  test('of unknown size has no ranges', async () => {
    const answer = await get('/endless', { Range: 'bytes=0-3' });
    expect([answer.status, answer.body.toString(), answer.headers['accept-ranges']]).toEqual([200, '0123456789', undefined]);
  });

  test('that cannot begin is an ordinary refusal', async () => {
    const answer = await get('/gone');
    expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([404, 'not_found']);
    expect(answer.headers['content-disposition']).toBeUndefined();
  });

  test('that breaks off ends the connection, so nobody takes the half for the whole', async () => {
    await expect(get('/breaks').then(({ status }) => status)).rejects.toThrow(/aborted|hang up|reset/);
  });
});

describe('a raw body', () => {
  const post = (body: string | Buffer, headers: Record<string, string>) =>
    supertest(app)
      .post('/take')
      .set({ Authorization: `Bearer ${api.user.key}`, ...headers })
      .serialize((value: unknown) => value as string)
      .send(body);

  test('is read as it comes, plain or packed', async () => {
    expect((await post('{"a":1}\n', { 'Content-Type': 'application/x-ndjson' })).status).toBe(204);
    const packed = { 'Content-Type': 'text/csv; charset=utf-8', 'Content-Encoding': 'gzip' };
    expect((await post(gzipSync('a,b\n1,2\n'), packed)).status).toBe(204);
    expect(seen).toEqual(['application/x-ndjson {"a":1}\n', 'text/csv a,b\n1,2\n']);
  });

  const csv = { 'Content-Type': 'text/csv' };
  const packed = { ...csv, 'Content-Encoding': 'gzip' };
  test.each<[string, { body: string | Buffer; headers: Record<string, string> }, number]>([
    ['another media type', { body: '{}', headers: { 'Content-Type': 'application/json' } }, 415],
    ['another packing', { body: 'a', headers: { ...csv, 'Content-Encoding': 'br' } }, 415],
    ['what is not gzip', { body: 'not gzip', headers: packed }, 422],
    ['gzip that breaks off', { body: gzipSync('a'.repeat(900)).subarray(0, 15), headers: packed }, 422],
    ['too much', { body: 'a'.repeat(1_001), headers: csv }, 413],
    ['too much, packed small', { body: gzipSync('a'.repeat(1_000_000)), headers: packed }, 413],
  ])('refuses %s', async (_what, { body, headers }, status) => {
    expect((await post(body, headers)).status).toBe(status);
    expect(seen).toEqual([]);
  });
});

test('CSV quotes, guards formulas, and says that it is UTF-8', async () => {
  async function* batches() {
    yield [{ a: 'x,"y"\n', b: 1, c: null }];
    yield [];
    yield [
      { a: '=1+1', b: '@x', c: { d: 'ü' } },
      { a: '-5', b: -5, c: true },
      { a: 'two\nlines', b: 'a\rb', c: '' },
    ];
  }
  const lines: string[] = [];
  for await (const chunk of csvLines(['a', 'b', 'c'], batches())) lines.push(chunk);
  expect(lines.join('')).toBe(`\uFEFFa,b,c\r\n"x,""y""\n",1,\r\n'=1+1,'@x,"{""d"":""ü""}"\r\n'-5,-5,true\r\n"two\nlines","a\rb",\r\n`);
});
