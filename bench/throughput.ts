import type { Block } from './block.ts';
import { type Figure, makeFigure } from './figure.ts';
import { alternate, type Pair } from './pairs.ts';
import { median, spreadOf } from './percentiles.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

/** Milliseconds from the first request to the last stored result. */
type Jobs = { elapsed_ms: number };

/** Whose CPU counts for a side. The product pays for its database and for the client that submits; bare Temporal starts workflows from its own process. */
const OURS = ['api', 'worker', 'client', 'postgres', 'temporal'];
const THEIRS = ['bare', 'temporal'];

const IN_FLIGHT = 32;
const TYPE = { ours: 'emptyTask', theirs: 'bareTask' };

/** Submits by REST and waits for the stored results; the block ends when Temporal is done as well, so that no work is left for the next one. */
async function productJobs({ servers, client, api_url, temporal, tasks }: Sides, count: number): Promise<Jobs> {
  const closed = await temporal.closed(TYPE.ours);
  const request = { url: api_url, key: servers.key, body: { template: 'empty', parameters: {} }, count, clients: IN_FLIGHT, pause_ms: 0 };
  const { sent_ms, ids } = await client.call('load', request);
  const last_ms = await tasks.completed(ids);
  await temporal.settled(TYPE.ours, closed + count);
  return { elapsed_ms: last_ms - Math.min(...sent_ms) };
}

async function bareJobs({ bare, temporal }: Sides, count: number, prefix: string): Promise<Jobs> {
  const closed = await temporal.closed(TYPE.theirs);
  const sent_ms = await bare.call('start', { prefix, count, in_flight: IN_FLIGHT, pause_ms: 0 });
  await temporal.settled(TYPE.theirs, closed + count);
  return { elapsed_ms: (await temporal.lastCompleted(prefix, count)) - Math.min(...sent_ms) };
}

function cpuPerJob(block: Block<unknown>, roles: readonly string[], count: number): number {
  return (roles.reduce((sum, role) => sum + (block.cpu[role] ?? 0), 0) / count) * 1000;
}

/** `api 2.1 + worker 9.8 + …`: milliseconds of CPU per job by role, the middle of all blocks. */
function split(blocks: readonly Block<unknown>[], roles: readonly string[], count: number): string {
  return roles.map((role) => `${role} ${median(blocks.map((block) => cpuPerJob(block, [role], count))).toFixed(1)}`).join(' + ');
}

/** Tasks per second and CPU per task of the product over bare Temporal, in pairs of blocks. */
export async function measureThroughput(
  sides: Sides,
  settings: Settings,
  say: (line: string) => void,
): Promise<{ figures: Figure[]; pairs: Pair<Jobs, Jobs>[] }> {
  const { jobs, blocks } = settings;
  const { pairs, refused } = await alternate({
    roles: sides.roles,
    blocks,
    say: (line) => say(`throughput, ${line}`),
    ours: () => productJobs(sides, jobs),
    theirs: (index) => bareJobs(sides, jobs, `bare/throughput/${index}`),
  });
  return { figures: [rateFigure(pairs, jobs, refused), cpuFigure(pairs, jobs, refused)], pairs };
}

function rateFigure(pairs: readonly Pair<Jobs, Jobs>[], jobs: number, refused: string | null): Figure {
  const rate = (block: Block<Jobs>) => (jobs / block.value.elapsed_ms) * 1000;
  const [ours, theirs] = [median(pairs.map((pair) => rate(pair.ours))), median(pairs.map((pair) => rate(pair.theirs)))];
  return makeFigure({
    name: 'tasks/s, REST submit to stored result, over bare Temporal',
    unit: '×',
    spread: spreadOf(pairs.map((pair) => rate(pair.ours) / rate(pair.theirs))),
    bar: { kind: 'at_least', limit: 0.8 },
    refused,
    note: `${ours.toFixed(1)}/s against ${theirs.toFixed(1)}/s`,
  });
}

function cpuFigure(pairs: readonly Pair<Jobs, Jobs>[], jobs: number, refused: string | null): Figure {
  const above = pairs.map((pair) => (cpuPerJob(pair.ours, OURS, jobs) / cpuPerJob(pair.theirs, THEIRS, jobs) - 1) * 100);
  const ours = pairs.map((pair) => pair.ours);
  const theirs = pairs.map((pair) => pair.theirs);
  return makeFigure({
    name: 'CPU per task above bare Temporal',
    unit: '%',
    spread: spreadOf(above),
    bar: { kind: 'at_most', limit: 20 },
    refused,
    note: `ms: ${split(ours, OURS, jobs)} against ${split(theirs, THEIRS, jobs)}`,
  });
}
