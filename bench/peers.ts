import { parseArgs } from 'node:util';
import pg from 'pg';
import { runEntry } from '../platform/run-entry.ts';
import { type Block, measureBlock } from './block.ts';
import type { LoadClientMethods } from './load-client.ts';
import { Parts, startProduct } from './parts.ts';
import { median, spreadOf } from './percentiles.ts';
import type { CpuByRole, Roles } from './process-usage.ts';
import { describeMachine, writeJson } from './report.ts';
import { install, type Servers, startServers } from './servers.ts';
import type { PeerRun, SteadyRate } from './steady.ts';
import { FEW_WAITING, LEARNING_S, type WaveRate, waveRate } from './wave-load.ts';

type PeerMethods = { run(run: PeerRun): Promise<SteadyRate> };

/** One of those that are compared. `roles`: whose CPU is its own. */
type Contender = { name: string; roles: readonly string[]; run(): Promise<SteadyRate | WaveRate> };
type Measured = { contender: Contender; blocks: Block<SteadyRate | WaveRate>[] };

const began = Date.now();
const say = (line: string): void => void process.stderr.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);

const STUB_DATABASE = 'bench_stub';

/** A second database on the same server, for the product without Temporal. */
async function stubDatabase(servers: Servers): Promise<{ database_url: string; key: string }> {
  const client = new pg.Client({ connectionString: servers.database_url });
  await client.connect();
  await client.query(`create database ${STUB_DATABASE}`).finally(() => client.end());
  const url = new URL(servers.database_url);
  url.pathname = `/${STUB_DATABASE}`;
  return { database_url: url.href, key: await install(url.href) };
}

/** How long a block counts; that of waves long enough to show a steady state. */
const SECONDS = { waves: 30, stub: 8, peer: 6 };

async function contendersOf(parts: Parts, servers: Servers, only: readonly string[] | null): Promise<Contender[]> {
  const wanted = (name: string): boolean => only === null || only.some((one) => name.includes(one));
  const contenders: Contender[] = [];
  const client = await parts.start<LoadClientMethods>('client', 'load-client.ts', null);
  const ours = async (name: string, role: string, source: () => Promise<{ database_url: string; key: string }>) => {
    if (!wanted(name)) return;
    const stub = role !== '';
    const product = await startProduct(parts, servers, { ...(await source()), stub });
    const roles = [`${role}api`, `${role}worker`, 'client', 'postgres', ...(stub ? [] : ['temporal'])];
    const seconds = stub ? SECONDS.stub : SECONDS.waves;
    // Not measured: until some have run nobody knows how long such tasks take, and waves are small.
    await waveRate(product, client, { ...FEW_WAITING, seconds: LEARNING_S });
    contenders.push({ name, roles, run: () => waveRate(product, client, { ...FEW_WAITING, seconds }) });
  };
  const peer = async (role: string, script: string, modes: Record<string, PeerRun['mode']>) => {
    const mine = Object.entries(modes).filter(([name]) => wanted(name));
    if (mine.length === 0) return;
    const remote = await parts.start<PeerMethods>(role, script, { database_url: servers.database_url });
    for (const [name, mode] of mine)
      contenders.push({
        name,
        roles: [role, 'postgres'],
        run: () => remote.call('run', { mode, seconds: SECONDS.peer }),
      });
  };
  await ours(NAMES.waves, '', async () => servers);
  await ours(NAMES.stub, 'stub ', () => stubDatabase(servers));
  await peer('pg-boss', 'peer-pg-boss.ts', { [NAMES.boss]: 'one', 'pg-boss, in bulk': 'bulk' });
  await peer('graphile-worker', 'peer-graphile.ts', { 'graphile-worker, one by one': 'one', 'graphile-worker, in bulk': 'bulk' });
  await peer('floor', 'peer-floor.ts', { [NAMES.floor]: 'one' });
  return contenders;
}

const NAMES = {
  waves: 'waves, batches by REST',
  stub: 'waves, execution stubbed',
  boss: 'pg-boss, one by one',
  floor: 'floor: six rows in three commits',
};

/** All of them in turn, round after round, the order reversed from round to round. */
async function measureRounds(contenders: readonly Contender[], rounds: number, roles: Roles): Promise<Measured[]> {
  const measured = contenders.map((contender): Measured => ({ contender, blocks: [] }));
  for (let round = 1; round <= rounds; round += 1) {
    for (const one of round % 2 ? measured : measured.toReversed()) {
      const block = await measureBlock(roles, one.contender.run);
      one.blocks.push(block);
      say(
        `round ${round} of ${rounds}, ${one.contender.name}: ${block.value.rate.toFixed(0)}/s${block.foreign_cores > 0.3 ? ` (others used ${block.foreign_cores.toFixed(1)} cores)` : ''}`,
      );
    }
  }
  return measured;
}

const cpuOf = (cpu: CpuByRole, roles: readonly string[]): number => roles.reduce((sum, role) => sum + (cpu[role] ?? 0), 0);

function row({ contender, blocks }: Measured): string {
  const { min, median: middle, max } = spreadOf(blocks.map(({ value }) => value.rate));
  const per_task = (roles: readonly string[]): string =>
    median(blocks.map(({ cpu, value }) => (cpuOf(cpu, roles) / value.done) * 1000)).toFixed(2);
  const split = contender.roles.map((role) => `${role} ${per_task([role])}`).join(' + ');
  return `${contender.name.padEnd(34)} ${middle.toFixed(0).padStart(6)}/s  (${min.toFixed(0)}–${max.toFixed(0)})  CPU ms a task: ${per_task(contender.roles)} = ${split}`;
}

/** Ratio of two in the same rounds. */
function ratio(measured: readonly Measured[], [ours, theirs, bar]: [string, string, string]): string[] {
  const find = (name: string) => measured.find(({ contender }) => contender.name === name)?.blocks.map(({ value }) => value.rate);
  const [a, b] = [find(ours), find(theirs)];
  if (!a || !b) return [];
  const { min, median: middle, max } = spreadOf(a.map((rate, n) => rate / (b[n] ?? Number.NaN)));
  return [`${ours} over ${theirs}: ${middle.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)}), bar ${bar}`];
}

function histogram({ contender, blocks }: Measured): string[] {
  const counts = new Map<number, number>();
  for (const { value } of blocks)
    if ('sizes' in value) for (const { size, workflows } of value.sizes) counts.set(size, (counts.get(size) ?? 0) + workflows);
  if (counts.size === 0) return [];
  const sizes = [...counts].toSorted(([a], [b]) => a - b);
  const tasks = sizes.reduce((sum, [size, n]) => sum + size * n, 0);
  const workflows = sizes.reduce((sum, [, n]) => sum + n, 0);
  return [
    `${contender.name}: ${tasks} tasks in ${workflows} workflows (${(tasks / workflows).toFixed(1)} each); workflows by size: ${sizes.map(([size, n]) => `${size}: ${n}`).join(', ')}`,
  ];
}

function show(measured: readonly Measured[]): void {
  const ratios = [
    ...ratio(measured, [NAMES.waves, NAMES.boss, '≥ 1']),
    ...ratio(measured, [NAMES.waves, 'pg-boss, in bulk', 'none; aim 0.5']),
    ...ratio(measured, [NAMES.stub, NAMES.floor, '≥ 0.35']),
  ];
  process.stdout.write(`${[...measured.map(row), ...ratios, ...measured.flatMap(histogram)].join('\n')}\n`);
}

const USAGE = { rounds: { type: 'string', default: '3' }, json: { type: 'string' }, only: { type: 'string' } } as const;

await runEntry(async () => {
  const { values } = parseArgs({ options: USAGE });
  say('starting PostgreSQL and Temporal in a folder of their own');
  const servers = await startServers(say, {});
  const parts = new Parts(servers.data_dir);
  try {
    const contenders = await contendersOf(parts, servers, values.only?.split(',') ?? null);
    const measured = await measureRounds(contenders, Number(values.rounds), parts.roles);
    show(measured);
    if (values.json) writeJson(values.json, { at: new Date(began).toISOString(), machine: describeMachine(), measured });
  } finally {
    await parts.stop();
    await servers.stop();
  }
});
