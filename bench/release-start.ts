import { type Block, measureBlock } from './block.ts';
import { type Figure, makeFigure } from './figure.ts';
import { noiseReason } from './noise.ts';
import { median, percentile, spreadOf } from './percentiles.ts';
import { SINGLE_QUEUE } from './servers.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

/** Milliseconds from each release of the queue's only place to the moment at which the next task's workflow has begun on the worker. */
type Gaps = number[];

/** Sends tasks to a queue that has one place: the end of each is what lets the next start. */
async function chain({ client, api_url, servers, tasks }: Sides, count: number): Promise<Gaps> {
  const body = { template: 'empty', parameters: {}, queue: SINGLE_QUEUE };
  const { ids } = await client.call('load', { url: api_url, key: servers.key, body, count, clients: 4, pause_ms: 0 });
  await tasks.completed(ids);
  return await tasks.gapsMs(ids);
}

/** How soon freed capacity is used: from the release of a grant, committed with the end of its instance, to the claim of the next one by its activity. */
export async function measureRelease(
  sides: Sides,
  settings: Settings,
  say: (line: string) => void,
): Promise<{ figures: Figure[]; blocks: Block<Gaps>[] }> {
  const quiet: Block<Gaps>[] = [];
  const noisy: Block<Gaps>[] = [];
  let reason: string | null = null;
  await chain(sides, settings.releases);
  for (let tries = 0; quiet.length < settings.blocks && tries < 2 * settings.blocks; tries += 1) {
    const block = await measureBlock(sides.roles, () => chain(sides, settings.releases));
    const noise = noiseReason([block]);
    (noise ? noisy : quiet).push(block);
    reason = noise ?? reason;
    say(`release, block ${quiet.length} of ${settings.blocks}${noise ? `: noisy, ${noise}` : ''}`);
  }
  const refused = quiet.length < settings.blocks ? reason : null;
  const blocks = refused ? [...quiet, ...noisy] : quiet;
  const all = blocks.flatMap(({ value }) => value);
  const figure = makeFigure({
    name: 'release to start of the next task, p99',
    unit: 'ms',
    spread: spreadOf(blocks.map(({ value }) => percentile(value, 0.99))),
    bar: { kind: 'at_most', limit: 250 },
    refused,
    note: `p50 ${median(all).toFixed(1)} ms, p99 of all ${all.length} releases ${percentile(all, 0.99).toFixed(1)} ms, longest ${Math.max(...all).toFixed(1)} ms`,
  });
  return { figures: [figure], blocks };
}
