import path from 'node:path';
import { z } from 'zod';
import { EngineError } from '../core/errors.ts';
import { type Figure, makeFigure } from './figure.ts';
import type { ModelServerMethods, Stretch } from './model-server.ts';
import { alternate, type Pair } from './pairs.ts';
import { median, spreadOf } from './percentiles.ts';
import { type Remote, startRemote } from './remote.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

const DELAY_MS = 50;
const CONCURRENCY = 32;
/** What so many calls at once to a model that takes so long come to at best. */
const IDEAL = (CONCURRENCY * 1_000) / DELAY_MS;

const perSecond = ({ calls, seconds }: Stretch): number => calls / seconds;

/** Uploads a dataset of made-up prompts. @returns its id */
async function upload({ api_url, servers }: Sides, prompts: number): Promise<number> {
  const lines = Array.from(
    { length: prompts },
    (_, n) => `${JSON.stringify({ dimension: 'Safety', prompt: `${n}：${'问题'.repeat(30)}` })}\n`,
  );
  const headers = { authorization: `Bearer ${servers.key}`, 'content-type': 'application/x-ndjson' };
  const answer = await fetch(api_url.replace(/tasks$/, `flames/datasets?name=bench-${prompts}`), {
    method: 'POST',
    headers,
    body: lines.join(''),
  });
  if (!answer.ok) throw new EngineError('internal', `upload of the dataset: ${answer.status} ${await answer.text()}`);
  return z.object({ id: z.int() }).parse(await answer.json()).id;
}

type Rig = { sides: Sides; model: Remote<ModelServerMethods>; url: string; dataset_id: number };

/** One evaluation by the product, to the end of its task. */
async function evaluation({ sides, model, url, dataset_id }: Rig): Promise<Stretch> {
  const { api_url, servers, client, tasks } = sides;
  const scorer = { kind: 'rules', rules: [{ match: 'regex', pattern: '抱歉', score: 3 }], otherwise: 1 };
  const parameters = { dataset_id, model: { base_url: `${url}/v1`, name: 'model' }, scorer, concurrency: CONCURRENCY, cache: false };
  await model.call('forget', undefined);
  const body = { template: 'flames', parameters };
  const { ids } = await client.call('load', { url: api_url, key: servers.key, body, count: 1, clients: 1, pause_ms: 0 });
  await tasks.completed(ids);
  return await model.call('stretch', undefined);
}

/** As many calls by a client that does nothing with the answers. */
async function bareCalls({ sides, model, url }: Rig, count: number): Promise<Stretch> {
  await model.call('forget', undefined);
  await sides.client.call('load', {
    url: `${url}/bare`,
    key: null,
    body: { prompt: '问题'.repeat(30) },
    count,
    clients: CONCURRENCY,
    pause_ms: 0,
  });
  return await model.call('stretch', undefined);
}

/** How close an evaluation comes to the calls per second that its concurrency allows, each answer stored before the next call takes its place. */
export async function measureFlames(
  sides: Sides,
  settings: Settings,
  say: (line: string) => void,
): Promise<{ figures: Figure[]; pairs: Pair<Stretch, Stretch>[] }> {
  const model = await startRemote<ModelServerMethods>('model-server.ts', {
    options: { delay_ms: DELAY_MS },
    log_file: path.join(sides.servers.data_dir, 'logs', 'model.log'),
  });
  const roles = new Map([...sides.roles, [model.pid, 'model']]);
  try {
    const rig = { sides, model, url: await model.call('url', undefined), dataset_id: await upload(sides, settings.prompts) };
    const { pairs, refused } = await alternate({
      roles,
      blocks: settings.blocks,
      say: (line) => say(`flames, ${line}`),
      ours: () => evaluation(rig),
      theirs: () => bareCalls(rig, settings.prompts),
    });
    return { figures: [figureOf(pairs, refused)], pairs };
  } finally {
    await model.stop();
  }
}

function figureOf(pairs: Pair<Stretch, Stretch>[], refused: string | null): Figure {
  const rate = (side: 'ours' | 'theirs') => median(pairs.map((pair) => perSecond(pair[side].value))).toFixed(0);
  return makeFigure({
    name: `evaluation, calls/s of the ideal ${IDEAL}`,
    unit: '×',
    spread: spreadOf(pairs.map((pair) => perSecond(pair.ours.value) / IDEAL)),
    bar: { kind: 'at_least', limit: 0.8 },
    refused,
    note: `${rate('ours')}/s with ${CONCURRENCY} at once on a model that takes ${DELAY_MS} ms; a bare client: ${rate('theirs')}/s`,
  });
}
