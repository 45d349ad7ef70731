import Ajv2020 from 'ajv/dist/2020.js';
import supertest from 'supertest';
import { routes } from '../../api/routes/index.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, startTask } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

type Operation = {
  operationId: string;
  responses: Record<string, { content?: Record<string, unknown> }>;
  parameters?: { name: string; in: string }[];
  requestBody?: unknown;
};
type OpenApi = { openapi: string; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, object> } };

const read = async (): Promise<OpenApi> => (await supertest(api.app).get('/api/v1/openapi.json')).body;

describe('the OpenAPI document', () => {
  it('is 3.1 and describes every route once', async () => {
    const document = await read();
    expect(document.openapi).toMatch(/^3\.1\./);
    const described = Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method} ${path}`));
    expect(described.sort()).toEqual(routes.map((route) => `${route.method} /api/v1${route.path}`).sort());
    const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map((operation) => operation.operationId));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(routes.map((route) => [route.id, route] as const))(
    'names path parameters, success and the shape of refusals of %s',
    async (_id, route) => {
      const document = await read();
      const operation = document.paths[`/api/v1${route.path}`]?.[route.method] as Operation;
      const inPath = (operation.parameters ?? []).filter((p) => p.in === 'path').map((p) => p.name);
      expect(inPath).toEqual([...route.path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]));
      expect(operation.responses).toHaveProperty(String(route.response.status));
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) expect(Object.keys(response.content ?? {})).toEqual(['application/problem+json']);
      }
      expect(operation.requestBody !== undefined).toBe(route.body !== undefined || route.raw_body !== undefined);
    },
  );

  it('has schemas that are JSON Schema 2020-12, and that real answers obey', async () => {
    const document = await read();
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'api' });
    const { task, runid } = await startTask(contextOf(api.em, api.user));
    const answers: [string, string][] = [
      ['Task', `/tasks/${task.uuid}`],
      ['Instance', `/instances/${runid}`],
      ['Queue', '/queues/q'],
      ['Pool', '/pools/p'],
      ['Worker', '/workers/w'],
      ['TemplateDetail', '/templates/t'],
      ['User', '/users/me'],
      ['Problem', '/tasks/x'],
    ];
    for (const [name, path] of answers) {
      const { body } = await api.as(api.admin).get(path);
      const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` });
      expect([name, validate(body), validate.errors]).toEqual([name, true, null]);
    }
    for (const name of Object.keys(document.components.schemas)) ajv.compile({ $ref: `api#/components/schemas/${name}` });
  });
});

describe('the documentation page', () => {
  it('loads everything from this server under a policy that allows nothing else', async () => {
    const page = await supertest(api.app).get('/api/v1/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain(`script-src 'self'`);
    expect(page.headers['content-security-policy']).not.toMatch(/https?:|\*/);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => String(m[1]));
    expect(links).toHaveLength(4);
    for (const link of links) {
      expect(link).not.toMatch(/^(https?:)?\/\//);
      const asset = await supertest(api.app).get(`/api/v1/${link}`);
      expect([link, asset.status]).toEqual([link, 200]);
      expect(Number(asset.headers['content-length'] ?? asset.text.length)).toBeGreaterThan(50);
    }
    expect((await supertest(api.app).get('/api/v1/docs/start.js')).text).toContain('openapi.json');
  });

  it('serves nothing else from its folder', async () => {
    for (const path of ['package.json', 'index.html', '../package.json', '%2e%2e/package.json', 'swagger-ui-bundle.js.map']) {
      expect((await supertest(api.app).get(`/api/v1/docs/${path}`)).status).toBe(404);
    }
  });
});

describe('health and metrics', () => {
  it('/healthz and /readyz answer without a key; Temporal is informative only', async () => {
    expect((await supertest(api.app).get('/healthz')).body).toEqual({ status: 'ok' });
    const ready = await supertest(api.app).get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body.checks).toMatchObject({ database: { ok: true }, migrations: { ok: true }, temporal: { ok: false, required: false } });
  });

  it('/metrics has the durations of requests and what waits, runs and is reserved', async () => {
    await startTask(contextOf(api.em, api.user));
    await api.as(api.user).get('/users/me');
    const { text, status } = await supertest(api.app).get('/metrics');
    expect(status).toBe(200);
    expect(text).toMatch(/orchestrator_http_request_duration_seconds_count\{method="GET",route="\/users\/me",status="200"\} \d/);
    expect(text).toMatch(/orchestrator_tasks\{status="processing"\} [1-9]/);
    expect(text).toMatch(/orchestrator_queue_load\{queue="q"\} [1-9]/);
    expect(text).toMatch(/orchestrator_pool_used_cpu\{pool="p"\} [1-9]/);
    expect(text).toMatch(/orchestrator_workers\{pool="p",status="active"\} 1/);
    expect(text).toContain('orchestrator_queue_oldest_seconds{queue="q"}');
    expect(text).toContain('process_cpu_seconds_total');
  });
});

describe('every answer', () => {
  it('carries a request id: the sender’s when it is sane, else a new one', async () => {
    const given = await supertest(api.app).get('/healthz').set('X-Request-Id', 'abc-123');
    expect(given.headers['x-request-id']).toBe('abc-123');
    for (const bad of ['a b', 'x'.repeat(200), '<script>']) {
      expect((await supertest(api.app).get('/healthz').set('X-Request-Id', bad)).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('to a method that is not there is 405 with Allow', async () => {
    for (const [method, path, allow] of [
      ['put', '/tasks', 'GET, HEAD, POST'],
      ['delete', '/tasks/01890000-0000-7000-8000-000000000000', 'GET, HEAD, PATCH'],
      ['get', '/queues/q/hold', 'POST'],
      ['options', '/tasks', 'GET, HEAD, POST'],
    ] as const) {
      const answer = await supertest(api.app)[method](`/api/v1${path}`);
      expect(answer.status).toBe(405);
      expect(String(answer.headers.allow).split(', ').sort().join(', ')).toBe(allow);
      expect(answer.body.code).toBe('method_not_allowed');
    }
    expect((await supertest(api.app).trace('/api/v1/tasks')).status).toBe(405);
  });

  it('is written to the log as one line without headers', async () => {
    api.log_lines.length = 0;
    await api.as(api.user).get('/users/me').set('X-Request-Id', 'logged-1');
    const lines = api.log_lines.filter((line) => line.request_id === 'logged-1');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ method: 'GET', path: '/api/v1/users/me', status: 200, user: 'user', ms: expect.any(Number) });
    expect(JSON.stringify(lines)).not.toContain('eng_');
  });
});
