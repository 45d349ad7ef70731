import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import type { DetectorClientMethods } from './detector-client.ts';
import { type Figure, makeFigure } from './figure.ts';
import { percentile, spreadOf } from './percentiles.ts';
import { readUsage, usageBetween } from './process-usage.ts';
import type { ProductApiMethods } from './product-api.ts';
import { startRemote } from './remote.ts';
import { describeMachine, tableOf, writeJson } from './report.ts';
import { install } from './servers.ts';

const USAGE = 'npm run bench:detections -- [--seconds <n>] [--json <file>] [--strict]';
const HOST = '127.0.0.1';
const BLOCKS = 3;
const CAMERAS = 10;
const FPS = 30;
/** What a detector computes for each picture; all of them together half a core. */
const WORK_MS = 2;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

type Rig = {
  url: string;
  key: string;
  client: Awaited<ReturnType<typeof startRemote<DetectorClientMethods>>>;
  roles: Map<number, string>;
  restart(): Promise<void>;
  ask<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
};

/** PostgreSQL with the product's settings, the API over it and a process of detectors. */
async function withRig<T>(work: (rig: Rig) => Promise<T>): Promise<T> {
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-bench-'));
  await chmod(data_dir, 0o711);
  const start = (port: number) => startEmbeddedPostgres({ data_dir, host: HOST, port, report: say });
  const server: { now: EmbeddedPostgres } = { now: await start(0) };
  const { url: database_url, port } = server.now;
  const key = await install(database_url);
  const log_file = path.join(data_dir, 'logs', 'bench.log');
  const env = { DATA_DIR: data_dir, DATABASE_URL: database_url, API_PORT: '0', RATE_LIMIT_PER_MINUTE: '0' };
  const api = await startRemote<ProductApiMethods>('product-api.ts', { options: { env }, log_file });
  const client = await startRemote<DetectorClientMethods>('detector-client.ts', { options: null, log_file });
  const roles = new Map([
    [api.pid, 'api'],
    [client.pid, 'detectors'],
  ]);
  const restart = async () => {
    await server.now.stop();
    server.now = await start(port);
  };
  const ask: Rig['ask'] = async (sql, values = []) => {
    const connection = new pg.Client({ connectionString: database_url });
    await connection.connect();
    return (await connection.query(sql, values).finally(() => connection.end())).rows;
  };
  try {
    const url = (await api.call('url', undefined)).replace(/tasks$/, 'detections');
    return await work({ url, key, client, roles, restart, ask });
  } finally {
    await client.stop();
    await api.stop();
    await server.now.stop();
    await rm(data_dir, { recursive: true, force: true });
  }
}

type Measured = { name: string; unit: string; values: number[]; bar: Figure['bar']; note: string };

const figure = ({ values, ...rest }: Measured): Figure => makeFigure({ ...rest, spread: spreadOf(values), refused: null });

async function measureBatches({ client, url, key, roles }: Rig): Promise<Figure> {
  const order = { url, key, records: 10_000, size: 100, at_once: 4 };
  await client.call('batches', { ...order, records: 2_000 });
  const before = readUsage(roles);
  const rates: number[] = [];
  for (let i = 0; i < BLOCKS; i++) rates.push(order.records / (await client.call('batches', order)).seconds);
  const { cpu, seconds } = usageBetween(before, readUsage(roles));
  const note = `${order.size} a post, ${order.at_once} at once; cores in use: ${coresOf(cpu, seconds)}`;
  return figure({ name: 'records stored, in batches', unit: '/s', values: rates, bar: { kind: 'at_least', limit: 2_000 }, note: note });
}

const coresOf = (cpu: Record<string, number>, seconds: number): string =>
  Object.entries(cpu)
    .filter(([, used]) => used / seconds >= 0.01)
    .map(([role, used]) => `${role} ${(used / seconds).toFixed(2)}`)
    .join(', ');

async function measureSingles({ client, url, key }: Rig): Promise<Figure> {
  await client.call('singles', { url, key, count: 100 });
  const p95s: number[] = [];
  const all: number[] = [];
  for (let i = 0; i < BLOCKS; i++) {
    const { latencies_ms } = await client.call('singles', { url, key, count: 300 });
    p95s.push(percentile(latencies_ms, 0.95));
    all.push(...latencies_ms);
  }
  return figure({
    name: 'one frame posted and stored, p95',
    unit: 'ms',
    values: p95s,
    bar: { kind: 'at_most', limit: 20 },
    note: `p50 ${percentile(all, 0.5).toFixed(1)} ms`,
  });
}

type Counted = { frames: number; records: number; hours: number; violations: number };

/** What the database has of a run, when its hours are computed. */
async function countRun({ ask }: Rig, run: string): Promise<Counted> {
  const sql = `select (select sum(frames)::int4 from detection_sessions where name = $1) as frames,
    (select count(*)::int4 from detection_records r join detection_sessions s on s.id = r.session_id where s.name = $1) as records,
    (select count(*)::int4 from violation_events v join detection_sessions s on s.id = v.session_id where s.name = $1) as violations,
    (select sum(total_frames)::int4 from statistics_hourly where camera_id like 'bench-' || $1 || '-%' and not dirty) as hours`;
  for (let tries = 0; ; tries++) {
    const [found] = await ask<Counted>(sql, [run]);
    if (found && (found.hours === found.frames || tries === 40)) return found;
    await sleep(500);
  }
}

async function measureCameras(rig: Rig, seconds: number): Promise<Figure[]> {
  const { client, url, key, roles, restart } = rig;
  const order = { url, key, cameras: CAMERAS, fps: FPS, work_ms: WORK_MS };
  const idle = await client.call('cameras', { ...order, run: 'idle', seconds: Math.min(seconds, 20), posting: false });
  await client.call('cameras', { ...order, run: 'warm', seconds: 5, posting: true });
  const before = readUsage(roles);
  const calm = await client.call('cameras', { ...order, run: 'calm', seconds: Math.min(seconds, 20), posting: true });
  const { cpu, seconds: took } = usageBetween(before, readUsage(roles));
  const running = client.call('cameras', { ...order, run: 'restarts', seconds, posting: true });
  for (const share of [1 / 3, 1 / 3]) {
    await sleep(seconds * 1_000 * share);
    await restart();
    say('PostgreSQL was restarted');
  }
  const seen = await running;
  const [stored, calmly] = [await countRun(rig, 'restarts'), await countRun(rig, 'calm')];
  const lost = Math.max(seen.frames - stored.frames, seen.frames - stored.hours) + (calm.frames - calmly.frames);
  const shareOf = (frames: number, s: number) => frames / (CAMERAS * FPS * s);
  const base = shareOf(idle.frames, Math.min(seconds, 20));
  const slower = [
    { is: calm, s: Math.min(seconds, 20) },
    { is: seen, s: seconds },
  ].map(({ is, s }) => 100 * Math.max(1 - shareOf(is.frames, s) / base, is.loop_ms / idle.loop_ms - 1));
  const note = `${seen.frames} frames looked at, ${stored.frames} stored, ${stored.hours} in the statistics, ${stored.records} records, ${stored.violations} violations; ${seen.repeated} posts repeated, the longest waited ${seen.longest_wait_s.toFixed(1)} s`;
  return [
    figure({
      name: `frames lost, ${CAMERAS} cameras × ${FPS}/s × ${seconds} s, two restarts`,
      unit: '',
      values: [lost],
      bar: { kind: 'at_most', limit: 0 },
      note: note,
    }),
    figure({
      name: 'detectors slowed by posting',
      unit: '%',
      values: slower,
      bar: { kind: 'at_most', limit: 5 },
      note: `calm, and with restarts; a turn of the loop: ${idle.loop_ms.toFixed(3)} ms alone, ${calm.loop_ms.toFixed(3)} and ${seen.loop_ms.toFixed(3)} ms`,
    }),
    figure({
      name: 'cores of the API with its writer, 300 frames/s',
      unit: '',
      values: [(cpu.api ?? 0) / took],
      bar: null,
      note: `cores in use: ${coresOf(cpu, took)}`,
    }),
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, json: { type: 'string' }, strict: { type: 'boolean' } } });
  const seconds = Number(values.seconds ?? 60);
  if (!Number.isInteger(seconds) || seconds < 6 || seconds > 600) throw new Error(`--seconds: expected 6–600; usage: ${USAGE}`);
  const figures = await withRig(async (rig) => [
    await measureBatches(rig),
    await measureSingles(rig),
    ...(await measureCameras(rig, seconds)),
  ]);
  process.stdout.write(`${tableOf(figures)}\n`);
  if (values.json) writeJson(values.json, { at: new Date().toISOString(), machine: describeMachine(), figures });
  if (values.strict && figures.some(({ verdict }) => verdict === 'missed')) process.exitCode = 1;
}

await main();
