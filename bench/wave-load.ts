import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EngineError } from '../core/errors.ts';
import type { Load, LoadClientMethods } from './load-client.ts';
import type { Remote } from './remote.ts';
import { PAYLOAD, type SteadyRate, WARM_UP_S } from './steady.ts';

/** The product as seen by its users: where to post, with which key; `database_url` only to look how much waits and what became of it. */
export type Product = { api_url: string; key: string; database_url: string };

/** Workflows begun meanwhile, by how many tasks shared each. */
export type WaveRate = SteadyRate & { sizes: { size: number; workflows: number }[] };

/** The template of the benchmark whose tasks may share workflows. */
export const TEMPLATE = 'bench-waves';
/** The queue lets so many run at once: enough that the next wave is gathered while others run. */
const CAPACITY = 400;
const BATCH = 500;
/** `waiting`: batches are sent as long as fewer wait. `to_the_end`: until nothing is left to do. */
export type WaveLoad = { seconds: number; waiting: number; to_the_end: boolean };
export const FEW_WAITING = { waiting: 1_500, to_the_end: true };
/** What the product needs to learn how long the tasks take: until then waves are small. */
export const LEARNING_S = 6;
const LOOK_MS = 25;

const ITEMS = Array.from({ length: BATCH }, () => ({ template: TEMPLATE, parameters: { payload: PAYLOAD } }));

const COUNT = `select count(*)::int4 as n from tasks where status = 'completed' and completed_at >= to_timestamp($1) and completed_at < to_timestamp($2)`;
const SIZES = `
select size::int4, count(*)::int4 as workflows
from (select count(*) as size from instances where created_at >= to_timestamp($1) and created_at < to_timestamp($2) group by workflow_id) w group by size order by size`;

async function ask({ api_url, key }: Product, [method, path]: ['POST' | 'PATCH', string], body?: object): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) };
  const response = await fetch(new URL(`/api/v1${path}`, api_url), { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!response.ok) throw new EngineError('internal', `${method} ${path}: ${response.status} ${await response.text()}`);
}

/** A batch that waits for its turn; as an argument of the client's `load`. */
export const batchFor = ({ api_url, key }: Product): Load => ({ url: api_url, key, body: ITEMS, count: 1, clients: 1, pause_ms: 0 });

/** Holds the queue, or lets it go on. */
export const orderQueue = (product: Product, order: 'hold' | 'resume'): Promise<void> => ask(product, ['POST', `/queues/default/${order}`]);

/** Makes the template, and lets the queue run more at once. */
export async function prepareWaves(product: Product): Promise<void> {
  await ask(product, ['POST', '/templates'], { name: TEMPLATE, engine: 'empty', batchable: true });
  await ask(product, ['PATCH', '/queues/default'], { capacity: CAPACITY });
}

/** Batches by REST for some time, from one client after the other's answer, and what was completed a second from the warm-up on. */
export async function waveRate(
  product: Product,
  client: Remote<LoadClientMethods>,
  { seconds, waiting, to_the_end }: WaveLoad,
): Promise<WaveRate> {
  const database = new pg.Client({ connectionString: product.database_url, application_name: 'bench' });
  await database.connect();
  const count = async (what: string): Promise<number> =>
    (await database.query<{ n: number }>(`select count(*)::int4 as n from tasks where ${what}`)).rows[0]?.n ?? 0;
  const batch = batchFor(product);
  try {
    const begin_s = Date.now() / 1000;
    const window = [begin_s + WARM_UP_S, begin_s + WARM_UP_S + seconds];
    let done = 0;
    while (Date.now() / 1000 < (window[1] as number)) {
      if ((await count(`queue = 'default' and status = 'queued'`)) >= waiting) await sleep(LOOK_MS);
      else {
        await client.call('load', batch);
        done += BATCH;
      }
    }
    while (to_the_end && (await count(`status in ('queued', 'processing')`)) > 0) await sleep(4 * LOOK_MS);
    const completed = (await database.query<{ n: number }>(COUNT, window)).rows[0]?.n ?? 0;
    const sizes = (await database.query<WaveRate['sizes'][number]>(SIZES, window)).rows;
    return { rate: completed / seconds, done, sizes };
  } finally {
    await database.end();
  }
}
