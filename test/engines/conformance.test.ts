import { spawnSync } from 'node:child_process';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { CommandContext } from '../../commands/context.ts';
import { loadConfig } from '../../config/env.ts';
import { createEngines, type EngineConfig } from '../../engines/index.ts';
import type { Em } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { runningInstance } from '../support/detections.ts';
import { ensureTestImage, TEST_IMAGE, testDocker } from '../support/docker-image.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';
import { beginRun, evaluationOf, makeArtifacts, makeDataset, makeFlamesWorld, RULES, type TestArtifacts } from '../support/flames.ts';
import { ModelServer } from '../support/model-server.ts';

import { makeVideoTask, makeVideoWorld } from '../support/video.ts';

const config: EngineConfig = { ...loadConfig({}), OUTBOUND_ALLOW: ['127.0.0.1'], TASK_LOG_CAP_BYTES: 1e7 };
const engines = createEngines(config, `conformance-${process.pid}`);
const MODEL = { kind: 'openai', base_url: 'http://127.0.0.1:9/v1', model: 'm', api_key: { secret: 'none' } };
const hasDocker = await testDocker()
  .ping()
  .then(
    () => true,
    () => false,
  );

let server: http.Server;
let flames: FlamesWorld;
let base: string;
let requests = 0;
let db: TestDatabase;

/** What an engine says when its work is under way: the task's own output, or a scene's rendering. */
const STARTED = /^started$|^scene 1: attempt/;
const hasStarted = (run: TestRun): boolean => run.lines.some(({ text }) => STARTED.test(text));
/** How soon a stop must have taken effect; others: a second. */
const PATIENCE_MS: Record<string, number> = { docker: 8_000, image: 8_000, video: 5_000 };
/** Engines that need a Docker Engine. */
const OF_DOCKER = ['docker', 'image'];

/** Parameters of a run that succeeds and of one that does not end by itself, by kind. An engine without a row here fails its tests. */
const cases: Record<string, () => { good: Record<string, unknown>; endless: Record<string, unknown>; bad: Record<string, unknown>[] }> = {
  shell: () => ({
    good: { argv: ['true'] },
    endless: { script: 'echo started; sleep 600' },
    bad: [{ argv: 'true' }, { script: '' }, { argv: ['a'], env: [] }, { argv: ['a'], stdin: 5 }],
  }),
  http: () => ({
    good: { url: `${base}/ok` },
    endless: { url: `${base}/hang` },
    bad: [
      { url: 'nonsense' },
      { url: 'file:///etc/passwd' },
      { url: 'http://user:pw@x/' },
      { url: `${base}/`, method: 'TRACE' },
      { url: `${base}/`, headers: { Host: 'x' } },
      { url: `${base}/`, headers: { A: 'x\r\nB: y' } },
      { url: `${base}/`, headers: { 'a b': 'x' } },
      { url: `${base}/`, expected_status: ['9xx'] },
      { url: `${base}/`, expected_status: [] },
      { url: `${base}/`, max_response_bytes: 2_000_000 },
      { url: `${base}/`, headers: { A: '1', a: '2' } },
    ],
  }),
  video: () => ({
    good: { scenes: [{ description: 'one', duration: 1 }], width: 64, height: 64, fps: 4 },
    endless: { scenes: [{ description: 'long', duration: 60 }], width: 1920, height: 1080, fps: 60 },
    bad: [
      { prompt: ' ' },
      { prompt: 'x', width: 65 },
      { prompt: 'x', scene_count: 0 },
      { scenes: [] },
      { scenes: [{ description: '' }] },
      { scenes: [{ description: 'x', duration: 1.5 }] },
      { scenes: [{ description: 'x', picture: '../secret.png' }] },
      { scenes: [{ description: 'x', color: 'red' }] },
      { scenes: [{ description: 'x', camera_movement: 'fly' }] },
      { scenes: [{ description: 'x' }], scene_count: 2 },
      { scenes: Array.from({ length: 11 }, () => ({ description: 'x', duration: 60 })) },
      { prompt: 'x', writer: { kind: 'openai', base_url: 'file:///x', model: 'm' } },
    ],
  }),
  flames: () => ({
    good: evaluationOf(flames.model, flames.dataset_id, { scorer: RULES }),
    endless: evaluationOf(flames.mute, flames.dataset_id, { scorer: RULES }),
    bad: [
      { ...evaluationOf(flames.model, 1), dataset_id: 'x' },
      { ...evaluationOf(flames.model, 1), rescore_of: 'r' },
      { dataset_id: 1, scorer: RULES },
      { rescore_of: 'r' },
      { ...evaluationOf(flames.model, 1), model: { base_url: 'ftp://x', name: 'm' } },
      { ...evaluationOf(flames.model, 1), model: { base_url: 'https://x', name: 'm', api_key: 'sk-in-the-open' } },
      { ...evaluationOf(flames.model, 1), concurrency: 0 },
      { ...evaluationOf(flames.model, 1), scorer: { kind: 'judge_llm', base_url: 'https://x', name: 'm', template: 'no place for it' } },
      { ...evaluationOf(flames.model, 1), scorer: { kind: 'rules', rules: [{ match: 'regex', pattern: '(', score: 3 }] } },
      { ...evaluationOf(flames.model, 1), scorer: { kind: 'rules', rules: [{ match: 'exact', score: 3 }] } },
    ],
  }),
  image: () => ({
    good: { operation: 'tag', worker: 'w', image: TEST_IMAGE, target: `orchestrator-test/conformance:${process.pid}` },
    endless: {
      operation: 'build',
      worker: 'w',
      target: `orchestrator-test/conformance:${process.pid}`,
      dockerfile: `FROM ${TEST_IMAGE}\nRUN ["sh", "-c", "echo started; sleep 600"]`,
    },
    bad: [
      { operation: 'pull', worker: 'w' },
      { operation: 'pull', image: 'a' },
      { operation: 'pull', worker: 'w', image: 'a', target: 'b' },
      { operation: 'pull', worker: 'w', image: 'a b' },
      { operation: 'tag', worker: 'w', image: 'a', target: 'UPPER' },
      { operation: 'run', worker: 'w', image: 'a' },
      { operation: 'import', worker: 'w', target: 'a', artifact: '../secret' },
      { operation: 'build', worker: 'w', target: 'a', dockerfile: 'FROM a', files: { '../x': '' } },
      { operation: 'build', worker: 'w', target: 'a', dockerfile: 'FROM a', network: 'host' },
      { operation: 'prune', worker: 'w', until_hours: -1 },
    ],
  }),
  docker: () => ({
    good: { image: TEST_IMAGE, command: ['true'], network: 'none' },
    endless: { image: TEST_IMAGE, command: ['sh', '-c', 'echo started; sleep 600'], network: 'none' },
    bad: [{ image: 5 }, { image: TEST_IMAGE, network: 'host' }, { image: TEST_IMAGE, pull: 'sometimes' }],
  }),
  detection: () => ({
    good: { camera_id: 'c', source: { kind: 'text', text: '1,1,0,0,5,5,1\n2,1,0,0,5,5,1' }, detector: { kind: 'replay' } },
    endless: { camera_id: 'c', detector: { kind: 'command', argv: ['sh', '-c', 'echo started; sleep 600'] } },
    bad: [
      { camera_id: 'c', detector: { kind: 'replay' } },
      { camera_id: 'c', detector: { kind: 'guess' } },
      { camera_id: '', detector: { kind: 'command', argv: ['true'] } },
      { camera_id: 'c', detector: { kind: 'command', argv: [] } },
      { camera_id: 'c', source: { kind: 'file', path: 'relative' }, detector: { kind: 'replay' } },
      { camera_id: 'c', source: { kind: 'stream', url: 'file:///etc/passwd' }, detector: { kind: 'command', argv: ['true'] } },
      { camera_id: 'c', source: { kind: 'file', path: '/x' }, detector: { kind: 'docker', image: TEST_IMAGE } },
      { camera_id: 'c', detector: { kind: 'command', argv: ['true'] }, rules: { k: 4, n: 3 } },
    ],
  }),
};

/** What flames needs besides: rows of its own, and models, one of which never answers. */
type FlamesWorld = {
  db: TestDatabase;
  ctx: CommandContext;
  dataset_id: number;
  artifacts: TestArtifacts;
  model: ModelServer;
  mute: ModelServer;
};

async function makeFlames(): Promise<FlamesWorld> {
  const db = await createTestDatabase();
  const ctx = await makeFlamesWorld(db.em);
  const [model, mute] = [await new ModelServer().start(), await new ModelServer({ hang: 1, times: 1_000_000 }).start()];
  return { db, ctx, model, mute, artifacts: await makeArtifacts(), dataset_id: await makeDataset(ctx, 10) };
}

/** Surroundings of one run. */
async function openRun(kind: string): Promise<TestRun> {
  if (kind === 'video')
    return await engineRun({ em: () => db.orm.em.fork() as Em, instance: { task_id: await makeVideoTask(db.em as Em) } });
  if (kind === 'detection')
    return await engineRun({ em: () => flames.db.orm.em.fork() as Em, instance: await runningInstance(flames.db.em) });
  if (kind === 'image') return await engineRun({ em: () => db.orm.em.fork() as Em });
  if (kind !== 'flames') return await engineRun();
  const parameters = cases.flames?.().good ?? {};
  return (await beginRun({ ctx: flames.ctx, artifacts: flames.artifacts, parameters })).run;
}

/** Requests that have arrived anywhere. */
const arrived = () => requests + flames.model.calls.length + flames.mute.calls.length;

beforeAll(async () => {
  flames = await makeFlames();
  server = http.createServer((request, response) => {
    requests++;
    if (request.url === '/ok') response.end('ok');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (hasDocker) await ensureTestImage();
  db = await createTestDatabase();
  await makeVideoWorld(db.em as Em);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await Promise.all([flames.model.stop(), flames.mute.stop(), flames.artifacts.remove()]);
  await flames.db.drop();
  await testDocker()
    .getImage(`orchestrator-test/conformance:${process.pid}`)
    .remove()
    .catch(() => undefined);
  await db.drop();
});

test('making the engines starts nothing and keeps no process alive', () => {
  const file = new URL('../../engines/index.ts', import.meta.url).href;
  const code = `const { createEngines } = await import('${file}'); const e = createEngines(${JSON.stringify(config)}); console.log(e.all.length, process.getActiveResourcesInfo().length)`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: '/usr/bin:/bin' },
  });
  expect([status, stdout.split(' ')[0]]).toEqual([0, String(engines.all.length)]);
});

test('kinds are unique, and an unknown one is undefined', () => {
  expect(new Set(engines.all.map((engine) => engine.kind)).size).toBe(engines.all.length);
  expect(engines.byKind('nothing')).toBeUndefined();
});

describe.each(engines.all.map((engine) => [engine.kind, engine] as const))('engine %s', (kind, engine) => {
  const runs = OF_DOCKER.includes(kind) && !hasDocker && !process.env.CI ? test.skip : test;
  const given = () => cases[kind]?.() ?? { good: {}, endless: {}, bad: [] };

  test('declares what the rest of the system asks it for', () => {
    expect(engine.summary.length).toBeGreaterThan(10);
    expect(['reattach', 'resume', 'new_instance']).toContain(engine.on_worker_lost);
    expect(engine.defaults.cpu).toBeGreaterThan(0);
    expect(engine.defaults.memory_mb).toBeGreaterThan(0);
  });

  test('its parameters have a closed JSON Schema', () => {
    const schema = z.toJSONSchema(engine.parameters, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' });
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
  });

  test('good parameters are taken, bad ones and unknown keys refused', () => {
    expect(engine.parameters.safeParse(given().good).error).toBeUndefined();
    for (const bad of [...given().bad, {}, { ...given().good, unknown_key: 1 }])
      expect([bad, engine.parameters.safeParse(bad).success]).toEqual([bad, false]);
  });

  runs('its result matches its schema, and so does that of a second run with the same parameters', async () => {
    for (const _ of [1, 2]) {
      const run = await openRun(kind);
      const outcome = await engine.run(engine.parameters.parse(given().good), run.context);
      expect(outcome).toMatchObject({ status: 'completed', code: 'ok', error: null });
      expect(engine.result.safeParse(outcome.result).error).toBeUndefined();
      await run.close();
    }
  });

  runs.each([
    ['cancel', 'cancelled'],
    ['timeout', 'timed_out'],
  ] as const)('%s is obeyed within seconds', async (reason, status) => {
    const run = await openRun(kind);
    const before = arrived();
    const work = engine.run(engine.parameters.parse(given().endless), run.context);
    await eventually(() => expect(hasStarted(run) || arrived() > before).toBe(true), { timeout_ms: 20_000 });
    const asked = performance.now();
    run.stop(reason);
    expect(await work).toMatchObject({ status, code: status, result: null });
    expect(performance.now() - asked).toBeLessThan(PATIENCE_MS[kind] ?? 1_000);
    await run.close();
  });

  runs.each(['superseded', 'shutdown'] as const)('%s makes it throw, so that nothing is written', async (reason) => {
    const run = await openRun(kind);
    const before = arrived();
    const work = engine.run(engine.parameters.parse(given().endless), run.context);
    work.catch(() => undefined);
    await eventually(() => expect(hasStarted(run) || arrived() > before).toBe(true), { timeout_ms: 20_000 });
    run.stop(reason);
    await expect(work).rejects.toMatchObject({ name: 'EngineError', code: 'superseded' });
    await run.close();
  });

  runs('a run that was stopped before it began does nothing', async () => {
    const run = await openRun(kind);
    run.stop('cancel');
    expect(await engine.run(engine.parameters.parse(given().endless), run.context)).toMatchObject({ status: 'cancelled' });
    expect(run.of('stdout')).toEqual([]);
    await run.close();
  });

  runs('a secret that the task may not use fails it', async () => {
    const command = { kind: 'command', argv: ['true'], env: { A: { secret: 'none' } } };
    if (kind === 'detection') return void (await refusedSecret({ camera_id: 'c', detector: command }));
    if (kind === 'http') return void (await refusedSecret({ ...given().good, headers: { A: { secret: 'none' } } }));
    if (kind === 'video') return void (await refusedSecret({ prompt: 'x', writer: MODEL }));
    const key = { api_key: { secret: 'none' } };
    if (kind === 'flames')
      return void (await refusedSecret({ ...given().good, model: { base_url: flames.model.base_url, name: 'm', ...key } }));
    if (kind === 'image')
      return void (await refusedSecret({ operation: 'pull', worker: 'w', image: '127.0.0.1:9/x', credentials: 'none' }));
    await refusedSecret({ ...given().good, env: { A: { secret: 'none' } } });
  });

  async function refusedSecret(parameters: Record<string, unknown>): Promise<void> {
    const run = await openRun(kind);
    expect(await engine.run(engine.parameters.parse(parameters), run.context)).toMatchObject({ status: 'failed', code: 'not_found' });
    await run.close();
  }

  runs('its sweep leaves nothing of instances that are not live', async () => {
    await engine.sweep?.(new Set(), (await openRun(kind)).context.logger);
    if (kind !== 'docker') return;
    const filters = { label: [`orchestrator.worker=conformance-${process.pid}`] };
    expect(await testDocker().listContainers({ all: true, filters })).toEqual([]);
  });
});
