import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { EngineError } from '../core/errors.ts';
import { nowMs } from './now.ts';
import { serve } from './remote.ts';

/** POST requests to one address, `count` in all from `clients` at once, each waiting for its answer and then `pause_ms`. */
export type Load = { url: string; key: string | null; body: unknown; count: number; clients: number; pause_ms: number };

/** `latencies_ms` from request to the whole answer; `sent_ms` (wall clock) and `ids` (`uuid` of the answers) in the same order. */
export type LoadResult = { seconds: number; latencies_ms: number[]; sent_ms: number[]; ids: string[] };

type Target = { pool: Pool; path: string; headers: Record<string, string>; body: string };

async function post({ pool, path, headers, body }: Target, result: LoadResult): Promise<void> {
  const sent_ms = nowMs();
  const since = performance.now();
  const response = await pool.request({ method: 'POST', path, headers, body });
  const text = await response.body.text();
  const latency = performance.now() - since;
  if (response.statusCode !== 201)
    throw new EngineError('internal', `POST ${path}: expected 201, got ${response.statusCode}: ${text.slice(0, 300)}`);
  result.latencies_ms.push(latency);
  result.sent_ms.push(sent_ms);
  result.ids.push((JSON.parse(text) as { uuid: string }).uuid);
}

async function load(pools: Map<string, Pool>, { url, key, body, count, clients, pause_ms }: Load): Promise<LoadResult> {
  const { origin, pathname } = new URL(url);
  const pool = pools.get(origin) ?? new Pool(origin, { connections: 32, pipelining: 1, keepAliveTimeout: 60_000 });
  pools.set(origin, pool);
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const target = { pool, path: pathname, headers, body: JSON.stringify(body) };
  const result: LoadResult = { seconds: 0, latencies_ms: [], sent_ms: [], ids: [] };
  let left = count;
  const since = performance.now();
  const client = async () => {
    while (left > 0) {
      left -= 1;
      await post(target, result);
      if (pause_ms > 0) await sleep(pause_ms);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  result.seconds = (performance.now() - since) / 1000;
  return result;
}

async function open() {
  const pools = new Map<string, Pool>();
  const methods = { load: (request: Load) => load(pools, request) };
  return { methods, close: async () => void (await Promise.all([...pools.values()].map((pool) => pool.destroy()))) };
}

export type LoadClientMethods = Awaited<ReturnType<typeof open>>['methods'];

await serve(open);
