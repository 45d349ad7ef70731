import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { z } from 'zod';
import { findAccess } from '../../cli/access.ts';
import { createApiClient } from '../../cli/api-client.ts';
import { demoTable, judge, workflowLink } from '../../cli/demo-report.ts';
import { planDemo } from '../../cli/demo-tasks.ts';
import { parseEvents, type StreamEvent } from '../../cli/event-stream.ts';
import type { Followed } from '../../cli/follow-task.ts';
import { loadConfig } from '../../config/env.ts';
import type { Worker } from '../../schemas/worker.ts';

async function* inPieces(text: string, cuts: number[]): AsyncGenerator<string> {
  let at = 0;
  for (const cut of cuts.map((n) => n % (text.length + 1)).sort((a, b) => a - b)) {
    yield text.slice(at, cut);
    at = cut;
  }
  yield text.slice(at);
}

async function collect(chunks: AsyncIterable<string>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of parseEvents(chunks)) events.push(event);
  return events;
}

test('events are the same however the stream is cut', async () => {
  const text =
    'retry: 1000\n\n: alive\n\nid: 1\ndata: {"line":"a"}\n\nid: 2\ndata: b\ndata: c\n\nevent: end\ndata: {}\n\nid: 3\ndata: cut off';
  const expected = [
    { id: '1', event: '', data: '{"line":"a"}' },
    { id: '2', event: '', data: 'b\nc' },
    { id: '', event: 'end', data: '{}' },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { maxLength: 20 }), async (cuts) => {
      expect(await collect(inPieces(text, cuts))).toEqual(expected);
    }),
  );
});

const worker = (changes: Partial<Worker>): Worker =>
  ({ alive: true, status: 'active', engines: ['shell', 'http', 'flames', 'docker', 'video'], unavailable: {}, ...changes }) as Worker;

const model = { base_url: 'http://127.0.0.1:1/v1', dataset_id: 1 };
const means = { http_target: 'http://127.0.0.1:1/hello', model, image: { name: 'busybox' } };

test('every engine that a live worker offers gets one task', () => {
  const plan = planDemo({ ...means, workers: [worker({})] });
  expect(plan.map((item) => [item.engine, 'submission' in item])).toEqual([
    ['shell', true],
    ['http', true],
    ['flames', true],
    ['docker', true],
    ['video', true],
  ]);
});

test('an engine that nobody offers is skipped with the worker’s own reason', () => {
  const plan = planDemo({
    ...means,
    workers: [worker({ engines: ['http'], unavailable: { docker: 'no daemon' } }), worker({ alive: false })],
  });
  expect(plan.filter((item) => 'skipped' in item)).toEqual([
    { engine: 'shell', skipped: 'no live worker offers shell' },
    { engine: 'flames', skipped: 'no live worker offers flames' },
    { engine: 'docker', skipped: 'no daemon' },
    { engine: 'video', skipped: 'no live worker offers video' },
  ]);
});

const access = { url: 'http://localhost', key: 'k', temporal_ui: 'http://ui', temporal_namespace: 'default' };

const failed = (code: string): Followed =>
  ({
    task: { status: 'failed', status_reason: code, error: { code, message: 'why' }, result: null },
    instance: null,
  }) as unknown as Followed;

test('a refusal that the installation is meant to give is no failure, any other is', () => {
  const expected = { outbound_refused: 'as it should' };
  expect(judge('http', failed('outbound_refused'), { expected, access })).toMatchObject({ ok: true, note: 'why', hint: 'as it should' });
  expect(judge('http', failed('exit_code'), { expected, access })).toMatchObject({ ok: false, status: 'failed (exit_code)' });
});

test('the table names every engine and marks failures; links escape the workflow id', () => {
  const workflow = workflowLink(access, { workflow_id: 'task/u/1', temporal_run_id: 'r' });
  expect(workflow).toBe('http://ui/namespaces/default/workflows/task%2Fu%2F1/r/history');
  const table = demoTable([{ engine: 'shell', ok: false, status: 'failed', seconds: 1, note: 'why', hint: 'do this', workflow }]);
  expect(table).toMatch(/shell +FAILED +failed +1\.0 s +why/);
  expect(table).toContain('shell: do this');
  expect(table).toContain(`shell   ${workflow}`);
});

async function withServer<T>(answer: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return await use(`http://127.0.0.1:${port}`).finally(() => server.close());
}

test('a problem document becomes an error with its code and detail', async () => {
  const answer: RequestListener = (_request, response) =>
    void response
      .writeHead(404, { 'Content-Type': 'application/problem+json' })
      .end('{"code":"not_found","detail":"task x: there is none"}');
  await withServer(answer, async (url) => {
    const work = createApiClient({ url, key: 'k' }).get('/tasks/x', z.object({}));
    await expect(work).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('task x: there is none') });
  });
});

test('an API that is not there, or answers in another shape, is said so', async () => {
  await expect(createApiClient({ url: 'http://127.0.0.1:1', key: 'k' }).get('/workers', z.object({}))).rejects.toMatchObject({
    code: 'unavailable',
  });
  await withServer(
    (_request, response) => void response.end('{"items":3}'),
    async (url) => {
      const work = createApiClient({ url, key: 'k' }).get('/workers', z.object({ items: z.array(z.string()) }));
      await expect(work).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('items') });
    },
  );
});

test('without a running installation the command says what to start or set', () => {
  const config = loadConfig({ DATA_DIR: '/nonexistent' });
  expect(() => findAccess(config)).toThrow(/npm start.*ORCHESTRATOR_URL/);
  expect(() => findAccess({ ...config, ORCHESTRATOR_URL: 'http://localhost:1/' })).toThrow(/ORCHESTRATOR_KEY/);
  expect(findAccess({ ...config, ORCHESTRATOR_URL: 'http://localhost:1/', ORCHESTRATOR_KEY: 'k' })).toMatchObject({
    url: 'http://localhost:1',
    key: 'k',
  });
});
