import { refuse, toProblem } from '../../api/problem.ts';
import { EngineError, ErrorCode } from '../../core/errors.ts';
import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const request = { instance: '/api/v1/tasks', request_id: 'r1' };
const translate = (error: unknown) => toProblem(error, request);

describe('problems', () => {
  it.each([
    ['invalid_input', 422],
    ['unauthenticated', 401],
    ['forbidden', 403],
    ['not_found', 404],
    ['conflict', 409],
    ['quota_exceeded', 429],
    ['too_many', 429],
    ['too_large', 413],
    ['unsatisfiable', 422],
    ['unavailable', 503],
    ['timeout', 504],
    ['superseded', 409],
    ['internal', 500],
  ] as const)('translate the code %s to %d', (code, status) => {
    const { problem } = translate(new EngineError(code, 'the message', { errors: [{ pointer: '/a', detail: 'b' }] }));
    expect(problem).toEqual({
      type: `urn:problem:${code}`,
      title: expect.any(String),
      status,
      detail: code === 'internal' ? expect.not.stringContaining('the message') : 'the message',
      instance: '/api/v1/tasks',
      code,
      request_id: 'r1',
      errors: [{ pointer: '/a', detail: 'b' }],
    });
    expect(problem.title).not.toBe('Error');
  });

  it('have a status for every code there is', () => {
    for (const code of Object.values(ErrorCode)) expect(translate(new EngineError(code, 'x')).problem.status).toBeGreaterThanOrEqual(400);
  });

  it('say when to try again and how to authenticate', () => {
    expect(translate(new EngineError('unavailable', 'x')).headers).toEqual({ 'Retry-After': '1' });
    expect(translate(new EngineError('too_many', 'x', { details: { retry_after_s: 41.2 } })).headers).toEqual({ 'Retry-After': '42' });
    expect(translate(new EngineError('unauthenticated', 'x')).headers['WWW-Authenticate']).toMatch(/^Bearer/);
    expect(translate(new EngineError('conflict', 'x')).headers).toEqual({});
  });

  it('keep refusals of HTTP itself apart from bad values', () => {
    expect(translate(refuse(400, 'x')).problem).toMatchObject({ status: 400, code: 'malformed_request' });
    expect(translate(refuse(415, 'x')).problem).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it.each([
    new Error('secret path /etc/x'),
    new TypeError('x is undefined'),
    'text',
    null,
    undefined,
    { status: 200 },
    { status: 503, message: 'm' },
  ])('of unknown errors (%p) are 500, logged as bugs, and tell nothing', (error) => {
    const { problem, severity } = translate(error);
    expect(problem.status).toBe(500);
    expect(JSON.stringify(problem)).not.toMatch(/secret|undefined|etc/);
    expect(severity).toBe('bug');
  });

  it('of the HTTP layer keep their class but not their text', () => {
    expect(translate(Object.assign(new Error('hush'), { status: 413 })).problem).toMatchObject({
      status: 413,
      detail: 'the request body is too large',
    });
    expect(translate(Object.assign(new URIError('hush'), { status: 400 })).problem.detail).not.toContain('hush');
    expect(translate(Object.assign(new Error('hush'), { status: 400 })).severity).toBe('none');
  });
});

describe('errors of the real database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => await database.drop());

  const failing = async (sql: string, values: unknown[] = []): Promise<unknown> =>
    await query(database.em as Em, sql, values).then(
      () => {
        throw new Error(`did not fail: ${sql}`);
      },
      (error: unknown) => error,
    );

  it.each([
    ['a NUL character', { sql: 'select $1::text', values: ['a\0b'], status: 422 }],
    ['a number out of range', { sql: 'select $1::int4', values: ['2147483648'], status: 422 }],
    ['a bad uuid', { sql: 'select $1::uuid', values: ['x'], status: 422 }],
    ['a missing reference', { sql: `insert into queues (name, capacity, pool) values ('a', 1, 'gone')`, values: [], status: 409 }],
    ['a check', { sql: `insert into pools (name, total_cpu, total_memory) values ('a', -1, 1)`, values: [], status: 409 }],
    ['a missing value', { sql: `insert into pools (name, total_memory) values ('a', 1)`, values: [], status: 422 }],
  ] as const)('of %s become a 4xx and a line in the log', async (_name, { sql, values, status }) => {
    const { problem, severity } = translate(await failing(sql, [...values]));
    expect(problem.status).toBe(status);
    expect(severity).toBe('bug');
    expect(JSON.stringify(problem)).not.toMatch(/insert|select|pools|queues|constraint/);
  });

  it('of a cancelled statement, a serialization failure or a closed connection become 503', async () => {
    const backends = [
      `select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)`,
      `do $$ begin raise exception 'x' using errcode = '40001'; end $$`,
    ];
    for (const sql of [...backends, 'select pg_terminate_backend(pg_backend_pid())']) {
      const { problem, headers, severity } = translate(await failing(sql));
      expect(problem.status).toBe(503);
      expect(headers['Retry-After']).toBe('1');
      expect(severity).toBe('fault');
    }
  });

  it('of a server that does not answer become 503', async () => {
    const url = new URL(database.url);
    url.port = '1';
    const orm = await createOrm({ url: url.href });
    const error = await query(orm.em.fork() as Em, 'select 1').catch((e: unknown) => e);
    await orm.close(true);
    expect(translate(error).problem.status).toBe(503);
    const closed = await query(orm.em.fork() as Em, 'select 1').catch((e: unknown) => e);
    expect(translate(closed).problem.status).toBe(503);
  });

  it('of a faulty statement of ours are 500 without its text', async () => {
    const { problem, severity } = translate(await failing('select nothing from nowhere'));
    expect(problem.status).toBe(500);
    expect(severity).toBe('bug');
    expect(JSON.stringify(problem)).not.toContain('nowhere');
  });
});
