import supertest from 'supertest';
import { isEndless, type Route } from '../../api/define-route.ts';
import { openApiDocument } from '../../api/openapi.ts';
import { routes } from '../../api/routes/index.ts';
import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { ROUTE_CASES } from '../support/route-cases.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

type JsonSchema = {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  maxLength?: number;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  $ref?: string;
  additionalProperties?: JsonSchema | boolean;
};
type Operation = { requestBody?: { content: Record<string, { schema: JsonSchema }> }; parameters?: { name: string; in: string }[] };

const document = openApiDocument(routes) as unknown as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema> };
};
const operationOf = (route: Route): Operation => document.paths[`/api/v1${route.path}`]?.[route.method] ?? {};

const resolve = (schema: JsonSchema): JsonSchema =>
  schema.$ref ? resolve(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}) : schema;

/** All alternatives of a schema, references followed. */
const alternatives = (schema: JsonSchema): JsonSchema[] => {
  const resolved = resolve(schema);
  const choices = resolved.anyOf ?? resolved.oneOf;
  return choices ? choices.flatMap(alternatives) : [resolved];
};

/** What is refused by its size as a whole before anything of it is looked at. */
const MOST_TEXT = 200_000;
const SURROGATE = '\ud800';
const WRONG_KIND: Record<string, unknown[]> = {
  string: [null, 0, true, [], {}, 'a\0b', `a${SURROGATE}`],
  number: ['1', true, [], {}, -1, 1e30],
  integer: ['1', true, [], {}, -1, 1.5, 2 ** 31, 1e30],
  boolean: ['true', 0, 1, [], {}],
  array: ['x', 0, true, {}, [null], [0.5], [{ a: 1 }], Array.from({ length: 2_000 }, (_, i) => `i${i}`)],
  object: ['x', 0, true, [], { [SURROGATE]: 1 }, { 'a\0b': '1' }, { a: 'a\0b' }],
};

/** A text beyond what the field and a body may hold; none where the field takes as much as a body. */
function tooLong(choices: readonly JsonSchema[]): string[] {
  const most = Math.max(65_536, ...choices.map(({ maxLength = 0 }) => maxLength));
  return most < MOST_TEXT ? ['x'.repeat(most + 1_000)] : [];
}

/** Values that no alternative of the schema takes; null is one unless the schema says otherwise. */
function badValues(schema: JsonSchema): unknown[] {
  const choices = alternatives(schema);
  const kinds = choices.flatMap((s) => s.type ?? []);
  const [first] = kinds;
  if (!first) return ['a\0b'];
  const nullable = kinds.includes('null');
  const long = first === 'string' ? tooLong(choices) : [];
  return [...(nullable ? [] : [null]), ...(WRONG_KIND[first] ?? []), ...long].filter((value) => !(nullable && value === null));
}

type Bad = { pointer: string; body: Record<string, unknown> };

/** Every writable field of a body with every bad value, two levels deep. */
function badBodies(schema: JsonSchema, good: Record<string, unknown>): Bad[] {
  const object = alternatives(schema).find((s) => s.properties) ?? {};
  return Object.entries(object.properties ?? {}).flatMap(([field, fieldSchema]) => {
    const direct = badValues(fieldSchema).map((value) => ({ pointer: `/${field}`, body: { ...good, [field]: value } }));
    const inner = alternatives(fieldSchema).find((s) => s.properties);
    const nested = inner ? badBodies(inner, good[field] as Record<string, unknown>) : [];
    return [...direct, ...nested.map((bad) => ({ pointer: `/${field}${bad.pointer}`, body: { ...good, [field]: bad.body } }))];
  });
}

const fingerprint = async (): Promise<string> => {
  const tables = [
    'tasks',
    'task_history',
    'audit_log',
    'queues',
    'pools',
    'templates',
    'template_versions',
    'users',
    'secrets',
    'idempotency_keys',
    'bulk_actions',
    'bulk_action_items',
    'task_dependencies',
    'slas',
    'sla_versions',
    'breaches',
    'deliveries',
    'notifications',
    'quota_ledger',
    'video_files',
    'statistics',
  ];
  const counts = tables.map(
    (table) => `(select count(*) || '/' || coalesce(max(updated_at)::text, '') from ${table} where updated_at < 'infinity') as ${table}`,
  );
  const [row] = await query(api.em, `select ${counts.join(', ')}`);
  return JSON.stringify({ ...row, users: undefined });
};

const LEAKS = /\bat .+:\d+:\d+|node_modules|select |insert |violates|syntax error|\/work\/|\.ts\b/;

function expectProblem(answer: supertest.Response, statuses: number[]): void {
  expect(statuses).toContain(answer.status);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  const { request_id, errors, ...rest } = JSON.parse(answer.text);
  expect(rest).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: answer.status,
    detail: expect.any(String),
    code: expect.any(String),
  });
  expect(request_id).toBe(answer.headers['x-request-id']);
  expect(Array.isArray(errors)).toBe(true);
  expect(answer.text).not.toMatch(LEAKS);
}

const withBody = routes.filter((route) => route.body);
const admin = (path: string, method: Route['method']) =>
  supertest(api.app)[method](`/api/v1${path}`).set('Authorization', `Bearer ${api.admin.key}`);

describe.each(withBody.map((route) => [`${route.method.toUpperCase()} ${route.path}`, route] as const))('bodies of %s', (_name, route) => {
  const content = operationOf(route).requestBody?.content['application/json'];

  it('refuse every bad value of every field, name the field, and change nothing', async () => {
    const { path, body } = await (ROUTE_CASES[route.id] as (typeof ROUTE_CASES)[string])(api);
    const cases = badBodies(content?.schema ?? {}, body ?? {});
    expect(cases.length).toBeGreaterThan(0);
    const before = await fingerprint();
    for (const { pointer, body: bad } of cases) {
      const answer = await admin(path, route.method).send(bad);
      const said = JSON.stringify({ pointer, value: JSON.stringify(bad).slice(0, 200), status: answer.status });
      expect([said, answer.status]).toEqual([said, 422]);
      expectProblem(answer, [422]);
      const pointers = answer.body.errors.map((e: { pointer: string }) => e.pointer);
      expect([said, pointers.some((p: string) => p.startsWith(pointer))]).toEqual([said, true]);
    }
    expect(await fingerprint()).toBe(before);
  });

  it('refuse unknown fields, missing objects and hostile JSON', async () => {
    const { path, body } = await (ROUTE_CASES[route.id] as (typeof ROUTE_CASES)[string])(api);
    const before = await fingerprint();
    const raw = (text: string, type = 'application/json') => admin(path, route.method).set('Content-Type', type).send(text);
    const good = JSON.stringify(body);
    const deep = `{"tags":${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
    expectProblem(await raw(good.replace('{', '{"role_x":1,')), [422]);
    for (const text of ['null', '5', '"x"', 'true']) expectProblem(await raw(text), [422]);
    for (const text of ['{', '{"a":}', '[1,', '{"a":1}}', "{'a':1}", 'NaN', '\u0000', deep]) expectProblem(await raw(text), [400]);
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const answer = await raw(good.replace('{', `{"${key}":{"role":"admin"},`));
      expectProblem(answer, [400]);
      expect(answer.body.errors[0].pointer).toBe(`/${key}`);
    }
    expectProblem(await raw(good.replace('{', '{"deep":1e999,')), [422]);
    expectProblem(await raw(good, 'text/plain'), [415]);
    expectProblem(await raw(good, 'application/json; charset=utf-16'), [415]);
    expectProblem(await raw(good, 'multipart/form-data; boundary=x'), [415]);
    expectProblem(await raw(`{"x":"${'y'.repeat(route.large_body ? 9_000_000 : 300_000)}"}`), [413]);
    expectProblem(await raw(`{"x":[${'0,'.repeat(route.large_body ? 250_000 : 20_000)}0]}`), [413]);
    expectProblem(
      await admin(path, route.method).set('Content-Encoding', 'compress').set('Content-Type', 'application/json').send(good),
      [415],
    );
    expect(await fingerprint()).toBe(before);
  });
});

describe('bodies as bytes', () => {
  it('that are not UTF-8 are refused', async () => {
    const request = admin('/queues', 'post').set('Content-Type', 'application/json');
    request.write(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]));
    expectProblem(await request, [400]);
  });
});

const BAD_PARAMETERS = [
  '',
  '%00',
  'a%00b',
  '%ED%A0%80',
  '-1',
  '0.5',
  '2147483648',
  '1e9',
  'x'.repeat(3_000),
  '%27%20or%201%3D1',
  '[]',
  '__proto__',
  '../..',
  '9'.repeat(30),
];

const withQuery = (path: string, text: string): string => `${path}${path.includes('?') ? '&' : '?'}${text}`;

describe.each(routes.filter((r) => r.method === 'get').map((route) => [route.path, route] as const))(
  'parameters of GET %s',
  (_name, route) => {
    it('never make the server fail, whatever they hold', async () => {
      const { path } = await (ROUTE_CASES[route.id] as (typeof ROUTE_CASES)[string])(api);
      const names = (operationOf(route).parameters ?? []).filter((p) => p.in === 'query').map((p) => p.name);
      const method = isEndless(route) ? 'head' : 'get';
      const ask = (url: string) => supertest(api.app)[method](`/api/v1${url}`).set('Authorization', `Bearer ${api.admin.key}`);
      const queries = names.flatMap((name) => [...BAD_PARAMETERS, `1&${name}=2`].map((value) => `${name}=${value}`));
      for (const text of queries) {
        const answer = await ask(withQuery(path, text));
        const said = `${text.slice(0, 60)} → ${answer.status}`;
        expect([said, answer.status < 500]).toEqual([said, true]);
        if (answer.status >= 400 && method === 'get') expectProblem(answer, [422]);
      }
      const unknown = await ask(withQuery(path, 'unheard_of=1'));
      expect(unknown.status).toBe(400);
    });
  },
);

describe.each(routes.filter((r) => r.params).map((route) => [`${route.method} ${route.path}`, route] as const))(
  'the path of %s',
  (_name, route) => {
    it('refuses what is no id, and says 404 to one that nobody has', async () => {
      const { body, raw } = await (ROUTE_CASES[route.id] as (typeof ROUTE_CASES)[string])(api);
      const nobody = /uuid|runid|schedules|deliveries|breaches/.test(route.path) ? '01890000-0000-7000-8000-000000000000' : '999999999';
      const place = (id: string, name: string) => (id === nobody && name === 'scene_number' ? '1' : id);
      const call = (id: string) => {
        const path = route.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => place(id, name));
        const request = admin(path, route.method);
        if (raw) return request.set('Content-Type', raw.type).send(raw.text);
        return body ? request.send(body) : request;
      };
      for (const id of ['%00', 'a%00b', '%F0%9F%92%A9', '..%2F..', 'x'.repeat(300), '%27', '-1']) expectProblem(await call(id), [422]);
      expectProblem(await call('%ZZ'), [400]);
      if (route.id !== 'replaceSecret') expectProblem(await call(nobody), [404]);
    });
  },
);
