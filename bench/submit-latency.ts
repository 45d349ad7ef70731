import { measureBlock } from './block.ts';
import { type Figure, makeFigure } from './figure.ts';
import type { Load, LoadResult } from './load-client.ts';
import { noiseReason } from './noise.ts';
import { alternate, type Pairs } from './pairs.ts';
import { median, percentile, spreadOf } from './percentiles.ts';
import { HELD_QUEUE } from './servers.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

type Submits = Pairs<LoadResult, LoadResult>;
type Said = (line: string) => void;

const CLIENTS = 32;
const p = (result: LoadResult, share: number): number => percentile(result.latencies_ms, share);
const rate = (result: LoadResult): number => result.latencies_ms.length / result.seconds;

const toProduct = ({ api_url, servers }: Sides, load: Pick<Load, 'count' | 'clients'>, queue: string): Load => ({
  url: api_url,
  key: servers.key,
  body: { template: 'empty', queue, parameters: {} },
  pause_ms: 0,
  ...load,
});

const toFloor = ({ floor_url }: Sides, load: Pick<Load, 'count' | 'clients'>): Load => ({
  url: floor_url,
  key: null,
  body: { template: 'empty', parameters: {} },
  pause_ms: 0,
  ...load,
});

async function measure(sides: Sides, plan: Pick<Load, 'count' | 'clients'> & { blocks: number }, say: Said): Promise<Submits> {
  const { blocks, ...load } = plan;
  return await alternate({
    roles: sides.roles,
    blocks,
    say,
    ours: () => sides.client.call('load', toProduct(sides, load, HELD_QUEUE)),
    theirs: () => sides.client.call('load', toFloor(sides, load)),
  });
}

function overFloor(name: string, { pairs, refused }: Submits): Figure {
  const ms = (side: 'ours' | 'theirs', share: number) => median(pairs.map((pair) => p(pair[side].value, share))).toFixed(2);
  return makeFigure({
    name,
    unit: '×',
    spread: spreadOf(pairs.map((pair) => p(pair.ours.value, 0.5) / p(pair.theirs.value, 0.5))),
    bar: { kind: 'at_most', limit: 5 },
    refused,
    note: `p50 ${ms('ours', 0.5)} ms against ${ms('theirs', 0.5)} ms, p99 ${ms('ours', 0.99)} against ${ms('theirs', 0.99)}`,
  });
}

function rateFigure({ pairs, refused }: Submits): Figure {
  const floor = median(pairs.map((pair) => rate(pair.theirs.value)));
  return makeFigure({
    name: `submits/s, ${CLIENTS} clients`,
    unit: '/s',
    spread: spreadOf(pairs.map((pair) => rate(pair.ours.value))),
    bar: { kind: 'at_least', limit: 500 },
    refused,
    note: `the floor does ${floor.toFixed(0)}/s`,
  });
}

/** The same while the worker is executing what was submitted: both compete for the machine, so there is no bar for it. */
async function whileWorking(sides: Sides, count: number): Promise<Figure> {
  const closed = await sides.temporal.closed('emptyTask');
  const block = await measureBlock(sides.roles, () => sides.client.call('load', toProduct(sides, { count, clients: CLIENTS }, 'default')));
  await sides.tasks.completed(block.value.ids);
  await sides.temporal.settled('emptyTask', closed + count);
  return makeFigure({
    name: `submits/s, ${CLIENTS} clients, worker busy`,
    unit: '/s',
    spread: spreadOf([rate(block.value)]),
    bar: null,
    refused: noiseReason([block]),
    note: `p50 ${p(block.value, 0.5).toFixed(1)} ms, p99 ${p(block.value, 0.99).toFixed(1)} ms`,
  });
}

/** What a submit costs its client, against an HTTP server that only inserts a row; the tasks go to a queue on hold. */
export async function measureSubmits(
  sides: Sides,
  settings: Settings,
  say: Said,
): Promise<{ figures: Figure[]; one: Submits['pairs']; many: Submits['pairs'] }> {
  const { blocks, submits, submits_32 } = settings;
  const one = await measure(sides, { blocks, count: submits, clients: 1 }, (line) => say(`submit, one at a time, ${line}`));
  const many = await measure(sides, { blocks, count: submits_32, clients: CLIENTS }, (line) => say(`submit, ${CLIENTS} clients, ${line}`));
  const figures = [
    overFloor('submit, one at a time, over HTTP + INSERT', one),
    overFloor(`submit, ${CLIENTS} clients, over HTTP + INSERT`, many),
    rateFigure(many),
    await whileWorking(sides, submits_32),
  ];
  return { figures, one: one.pairs, many: many.pairs };
}
