import { type Figure, makeFigure } from './figure.ts';
import { alternate, type Pair } from './pairs.ts';
import { median, percentile, spreadOf } from './percentiles.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

/** Long enough that each job is over, and the machine idle for at least 40 ms, before the next begins. */
const PAUSE_MS = 150;

/** Milliseconds of each job from the client's request to the first line of what it runs. */
type Delays = number[];

async function productDelays({ client, api_url, servers, tasks }: Sides, count: number): Promise<Delays> {
  const request = { url: api_url, key: servers.key, body: { template: 'empty', parameters: {} }, count, clients: 1, pause_ms: PAUSE_MS };
  const { sent_ms, ids } = await client.call('load', request);
  await tasks.completed(ids);
  const began_ms = await tasks.beganMs(ids);
  return began_ms.map((began, n) => began - (sent_ms[n] ?? Number.NaN));
}

async function bareDelays({ bare }: Sides, count: number, prefix: string): Promise<Delays> {
  const { sent_ms, began_ms } = await bare.call('startAndTime', { prefix, count, in_flight: 1, pause_ms: PAUSE_MS });
  return began_ms.map((began, n) => began - (sent_ms[n] ?? Number.NaN));
}

/** How soon a task runs on an idle system: REST submit to the engine's first line, against starting a bare workflow to its activity's first line. */
export async function measureIdleStart(
  sides: Sides,
  settings: Settings,
  say: (line: string) => void,
): Promise<{ figures: Figure[]; pairs: Pair<Delays, Delays>[] }> {
  const { pairs, refused } = await alternate({
    roles: sides.roles,
    blocks: settings.blocks,
    say: (line) => say(`idle start, ${line}`),
    ours: () => productDelays(sides, settings.starts),
    theirs: (index) => bareDelays(sides, settings.starts, `bare/idle/${index}`),
  });
  const ms = (side: 'ours' | 'theirs', share: number) => median(pairs.map((pair) => percentile(pair[side].value, share))).toFixed(1);
  const figure = makeFigure({
    name: 'idle submit to running, p50, over bare Temporal',
    unit: '×',
    spread: spreadOf(pairs.map((pair) => median(pair.ours.value) / median(pair.theirs.value))),
    bar: { kind: 'at_most', limit: 1.6 },
    refused,
    note: `p50 ${ms('ours', 0.5)} ms against ${ms('theirs', 0.5)} ms, p99 ${ms('ours', 0.99)} against ${ms('theirs', 0.99)}`,
  });
  return { figures: [figure], pairs };
}
