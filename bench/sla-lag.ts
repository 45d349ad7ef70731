import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import { EngineError } from '../core/errors.ts';
import { type Bar, type Figure, makeFigure } from './figure.ts';
import { percentile, spreadOf } from './percentiles.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

/** Clocks that run besides, due in hours. */
const OPEN_CLOCKS = 10_000;
const BATCH = 1_000;
/** Tasks that come late while they do: so many at a time, so often, with a pause in between. */
const CROWD = { batch: 25, times: 24, pause_ms: 250 };
/** Due in the same instant, give or take a submit. */
const BURST = 1_000;
const LATE_S = 2;
const LIMIT_MS = 120_000;

/** Milliseconds from the due time to the breach, and to the end of its action, of each late task. */
type Lags = { breach_ms: number[]; action_ms: number[] };

type Rig = { sides: Sides; client: pg.Client };

async function call({ sides }: Rig, path: string, body: object): Promise<unknown> {
  const { api_url, servers } = sides;
  const headers = { authorization: `Bearer ${servers.key}`, 'content-type': 'application/json' };
  const answer = await fetch(api_url.replace(/tasks$/, path), { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new EngineError('internal', `${path}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}

/** A queue in which everything waits, under an SLA that bounds the waiting. */
async function heldQueue(rig: Rig, name: string, limit_s: number): Promise<void> {
  const conditions = [{ kind: 'queue_wait', limit_s, pause_aware: false }];
  const { id } = z.object({ id: z.int() }).parse(await call(rig, 'slas', { name, conditions, actions: [{ do: 'notify' }] }));
  await call(rig, 'queues', { name, pool: 'default', capacity: 0, sla_id: id });
}

const Accepted = z.union([z.array(z.object({ uuid: z.string() })), z.object({ items: z.array(z.object({ uuid: z.string() })) })]);

async function submit(rig: Rig, queue: string, count: number): Promise<string[]> {
  const answer = await call(
    rig,
    'tasks',
    Array.from({ length: count }, () => ({ template: 'empty', parameters: {}, queue })),
  );
  const accepted = Accepted.parse(answer);
  return (Array.isArray(accepted) ? accepted : accepted.items).map(({ uuid }) => uuid);
}

const LAGS = `
select (extract(epoch from b.fired_at - b.due_at) * 1000)::float8 as breach_ms, (extract(epoch from a.ended_at - b.due_at) * 1000)::float8 as action_ms
from breaches b join breach_actions a on a.breach_id = b.id where b.task_id = any($1::uuid[])`;

/** Waits until the action of each task's breach has ended. @throws EngineError timeout */
async function lagsOf({ client }: Rig, tasks: readonly string[]): Promise<Lags> {
  for (const until = Date.now() + LIMIT_MS; ; await sleep(500)) {
    const { rows } = await client.query<{ breach_ms: number; action_ms: number | null }>(LAGS, [tasks]);
    const ended = rows.flatMap(({ action_ms }) => (action_ms === null ? [] : [action_ms]));
    if (ended.length === tasks.length) return { breach_ms: rows.map(({ breach_ms }) => breach_ms), action_ms: ended };
    if (Date.now() > until)
      throw new EngineError('timeout', `${ended.length} of ${tasks.length} breaches acted within ${LIMIT_MS / 1000} s`);
  }
}

/** One late task after another, while nothing else happens. */
async function idleLags(rig: Rig, count: number): Promise<Lags> {
  const tasks: string[] = [];
  for (let n = 0; n < count; n += 1) {
    tasks.push(...(await submit(rig, 'sla-late', 1)));
    await sleep(130 + ((n * 37) % 90));
  }
  return await lagsOf(rig, tasks);
}

/** Late tasks that keep coming while thousands of clocks run. */
async function crowdedLags(rig: Rig): Promise<Lags> {
  const tasks: string[] = [];
  for (let n = 0; n < CROWD.times; n += 1) {
    tasks.push(...(await submit(rig, 'sla-late', CROWD.batch)));
    await sleep(CROWD.pause_ms);
  }
  return await lagsOf(rig, tasks);
}

const inMs = (values: readonly number[], share: number): string => percentile(values, share).toFixed(0);

type Telling = { name: string; share: number; lags: Lags; bar: Bar | null };

function figureOf({ name, share, lags, bar }: Telling): Figure {
  const { breach_ms, action_ms } = lags;
  const told = `to the breach p50 ${inMs(breach_ms, 0.5)}, p99 ${inMs(breach_ms, 0.99)}`;
  return makeFigure({
    name,
    unit: 'ms',
    spread: { ...spreadOf(breach_ms), median: percentile(breach_ms, share) },
    bar,
    refused: null,
    note: `${breach_ms.length} late tasks: ${told}; to the end of its action p50 ${inMs(action_ms, 0.5)}, p99 ${inMs(action_ms, 0.99)} ms`,
  });
}

/** How late breaches are noticed: from the instant at which a clock is due to the row of its breach. */
export async function measureSlaLag(
  sides: Sides,
  settings: Settings,
  say: (line: string) => void,
): Promise<{ figures: Figure[]; lags: Record<string, Lags> }> {
  const client = new pg.Client({ connectionString: sides.servers.database_url, application_name: 'bench' });
  await client.connect();
  try {
    const rig = { sides, client };
    await heldQueue(rig, 'sla-late', LATE_S);
    await heldQueue(rig, 'sla-open', 36_000);
    say(`SLA lag, ${settings.starts} late tasks one after another`);
    const idle = await idleLags(rig, settings.starts);
    say(`SLA lag, ${OPEN_CLOCKS} open clocks`);
    for (let n = 0; n < OPEN_CLOCKS; n += BATCH) await submit(rig, 'sla-open', BATCH);
    const crowded = await crowdedLags(rig);
    say(`SLA lag, ${BURST} clocks due at once`);
    const burst = await lagsOf(rig, await submit(rig, 'sla-late', BURST));
    const figures = [
      figureOf({ name: 'SLA fire lag, idle, p50', share: 0.5, lags: idle, bar: { kind: 'at_most', limit: 300 } }),
      figureOf({
        name: `SLA fire lag, ${OPEN_CLOCKS} open clocks, p99`,
        share: 0.99,
        lags: crowded,
        bar: { kind: 'at_most', limit: 2_000 },
      }),
      figureOf({ name: `SLA fire lag, ${BURST} due at once, p99`, share: 0.99, lags: burst, bar: null }),
    ];
    return { figures, lags: { idle, crowded, burst } };
  } finally {
    await client.end();
  }
}
