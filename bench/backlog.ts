import { parseArgs } from 'node:util';
import { headsOf, headsOfGroups } from '../commands/snapshot.ts';
import { createOrm } from '../entities/orm.ts';
import { type Em, query } from '../entities/sql.ts';
import { runEntry } from '../platform/run-entry.ts';
import type { LoadClientMethods } from './load-client.ts';
import { Parts, startProduct } from './parts.ts';
import { percentile } from './percentiles.ts';
import { memoryByRole } from './process-usage.ts';
import type { Remote } from './remote.ts';
import { describeMachine, writeJson } from './report.ts';
import { startServers } from './servers.ts';
import { batchFor, FEW_WAITING, LEARNING_S, orderQueue, type Product, TEMPLATE, waveRate } from './wave-load.ts';

/** What the product does while so many tasks wait. `query_ms`: what an admission reads of the line; `memory`: MiB by process. */
type Level = {
  waiting: number;
  submit_p50_ms: number;
  submit_p99_ms: number;
  drain_per_s: number;
  query_p50_ms: number;
  query_p99_ms: number;
  memory: Record<string, number>;
};

const began = Date.now();
const say = (line: string): void => void process.stderr.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);

const LEVELS = [1_000, 100_000];
const SUBMITS = 300;
const QUERIES = 500;
const DRAIN_S = 15;
const ROOM = 200;

type Bench = { product: Product; client: Remote<LoadClientMethods>; em: Em; parts: Parts };

async function waitingNow(em: Em): Promise<number> {
  return (await query<{ n: number }>(em, `select count(*)::int4 as n from tasks where queue = 'default' and status = 'queued'`))[0]?.n ?? 0;
}

/** Until so many wait and nothing runs. */
async function fill({ product, client, em }: Bench, waiting: number): Promise<void> {
  await orderQueue(product, 'hold');
  while ((await waitingNow(em)) < waiting) await client.call('load', batchFor(product));
  await query(em, 'vacuum (analyze) tasks');
}

/** Milliseconds of the two statements by which an admission with room for 200 reads the line. */
async function queryTimes(em: Em): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < QUERIES; n += 1) {
    const since = performance.now();
    const { heads } = await headsOfGroups(em, ['default']);
    await headsOf(em, heads, ROOM);
    times.push(performance.now() - since);
  }
  return times;
}

async function measure(bench: Bench, waiting: number): Promise<Level> {
  const { product, client, em, parts } = bench;
  await fill(bench, waiting);
  say(`${waiting} waiting: submitting`);
  const single = { ...batchFor(product), body: { template: TEMPLATE, parameters: {} }, count: SUBMITS };
  const { latencies_ms } = await client.call('load', single);
  const times = await queryTimes(em);
  say(`${waiting} waiting: draining`);
  await orderQueue(product, 'resume');
  const { rate } = await waveRate(product, client, { seconds: DRAIN_S, waiting, to_the_end: waiting <= FEW_WAITING.waiting });
  const { api = 0, worker = 0, postgres = 0 } = memoryByRole(parts.roles);
  return {
    waiting,
    submit_p50_ms: percentile(latencies_ms, 0.5),
    submit_p99_ms: percentile(latencies_ms, 0.99),
    drain_per_s: rate,
    query_p50_ms: percentile(times, 0.5),
    query_p99_ms: percentile(times, 0.99),
    memory: { api, worker, postgres },
  };
}

function show(levels: readonly Level[]): void {
  for (const { memory, ...level } of levels) {
    const figures = Object.entries(level).map(([name, value]) => `${name} ${name === 'waiting' ? value : value.toFixed(2)}`);
    process.stdout.write(
      `${figures.join('  ')}  memory MiB ${Object.entries(memory)
        .map(([role, mib]) => `${role} ${mib.toFixed(0)}`)
        .join(' ')}\n`,
    );
  }
  const [few, many] = [levels[0] as Level, levels.at(-1) as Level];
  const grown = ['api', 'worker'].map((role) => (many.memory[role] ?? 0) - (few.memory[role] ?? 0));
  const lines = [
    `submit latency: ${(many.submit_p50_ms / few.submit_p50_ms).toFixed(2)} × (bar ≤ 1.5)`,
    `drain rate: ${(many.drain_per_s / few.drain_per_s).toFixed(2)} × (bar ≥ 0.95)`,
    `admission query p99: ${many.query_p99_ms.toFixed(1)} ms (bar ≤ 10)`,
    `memory of api and worker: +${grown.reduce((a, b) => a + b).toFixed(0)} MiB (bar ≤ 60)`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

await runEntry(async () => {
  const { values } = parseArgs({ options: { json: { type: 'string' } } });
  const servers = await startServers(say, {});
  const parts = new Parts(servers.data_dir);
  const orm = await createOrm({ url: servers.database_url, pool_max: 2 });
  try {
    const client = await parts.start<LoadClientMethods>('client', 'load-client.ts', null);
    const product = await startProduct(parts, servers, { ...servers, stub: false });
    const bench = { product, client, em: orm.em.fork() as Em, parts };
    await waveRate(product, client, { ...FEW_WAITING, seconds: LEARNING_S });
    const levels: Level[] = [];
    for (const waiting of LEVELS) levels.push(await measure(bench, waiting));
    show(levels);
    if (values.json) writeJson(values.json, { at: new Date(began).toISOString(), machine: describeMachine(), levels });
  } finally {
    await orm.close(true);
    await parts.stop();
    await servers.stop();
  }
});
