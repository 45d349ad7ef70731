import { z } from 'zod';
import { loadConfig } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { runEntry } from '../platform/run-entry.ts';
import { SubmittedTask } from '../schemas/task.ts';
import { Worker } from '../schemas/worker.ts';
import { type Access, findAccess } from './access.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { demoImage } from './demo-image.ts';
import { type DemoResult, demoTable, judge } from './demo-report.ts';
import { startDemoTarget } from './demo-target.ts';
import { DEMO_PROMPTS, type DemoItem, planDemo } from './demo-tasks.ts';
import { followTask, type Watcher } from './follow-task.ts';

/** Beyond this the demonstration gives up on a task. */
const LIMIT_MS = 120_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function watcherFor(engine: string): Watcher {
  const name = engine.padEnd(6);
  return {
    state: (text) => say(`${name} ── ${text}`),
    line: (stream, text) => say(`${name} ${stream === 'stdout' ? ' │' : stream} ${text}`),
  };
}

async function demonstrate(api: ApiClient, access: Access, item: DemoItem): Promise<DemoResult> {
  const { engine } = item;
  if ('skipped' in item) return { engine, ok: true, status: 'skipped', seconds: null, note: item.skipped, hint: null, workflow: null };
  const watcher = watcherFor(engine);
  try {
    const { uuid, warnings = [] } = await api.post('/tasks', item.submission, SubmittedTask);
    watcher.state(`submitted as ${uuid}`);
    for (const warning of warnings) watcher.state(warning);
    const followed = await followTask({ api, uuid, watcher, signal: AbortSignal.timeout(LIMIT_MS) });
    return judge(engine, followed, { expected: item.expected, access });
  } catch (error) {
    const note = error instanceof EngineError ? error.message : String(error);
    return { engine, ok: false, status: 'error', seconds: null, note, hint: null, workflow: null };
  }
}

/** `npm run demo`: one real task per engine of the running installation, followed to its end. Exit code 1 when any failed. */
async function main(): Promise<void> {
  const config = loadConfig();
  const access = findAccess(config);
  const api = createApiClient(access);
  const { items: workers } = await api.get('/workers', z.object({ items: z.array(Worker) }));
  say(`API ${access.url}, ${workers.filter((worker) => worker.alive).length} live workers`);
  const target = await startDemoTarget();
  try {
    const { id } = await api.upload('/flames/datasets?name=demo', DEMO_PROMPTS, z.object({ id: z.int() }));
    const model = { base_url: target.base_url, dataset_id: id };
    const plan = planDemo({ workers, http_target: target.url, model, image: await demoImage(config.DOCKER_HOST) });
    const results = await Promise.all(plan.map((item) => demonstrate(api, access, item)));
    say(`\n${demoTable(results)}`);
    if (results.some((result) => !result.ok)) process.exitCode = 1;
  } finally {
    target.stop();
  }
}

await runEntry(main);
