import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { query } from '../../entities/sql.ts';
import { freePort } from '../../platform/ports.ts';
import { startTemporalServer, type TemporalServer } from '../../platform/temporal-server.ts';
import { eventually } from '../support/eventually.ts';
import { differences, recount, toldBreaches } from '../support/sla-recount.ts';
import { attach, makeSla } from '../support/slas.ts';
import { openRoom, type Room } from './room.ts';
import type { WorkerProcess } from './worker-process.ts';

const TASKS = Number(process.env.SLA_TASKS ?? 2_000);
const AT_ONCE = 60;
const CHUNK = 50;

let room: Room;
let folder: string;
let temporal: TemporalServer;
let target: Server;
const parts = new Map<string, WorkerProcess>();

/** Answers after as long as the path says, with the status that it says. */
const answering = createServer((req, res) => {
  const [, ms = '0', status = '200'] = (req.url ?? '').split('/');
  setTimeout(() => res.writeHead(Number(status)).end('{}'), Number(ms));
});
const startTemporal = (port: number): Promise<TemporalServer> =>
  startTemporalServer({ data_dir: folder, host: '127.0.0.1', port, ui_port: null, namespace: 'default' });

let api_url: string;
const start: Record<string, () => Promise<WorkerProcess>> = {
  api: () => room.process('api', { API_PORT: new URL(api_url).port, RATE_LIMIT_PER_MINUTE: '0' }),
  dispatcher: () => room.process('dispatcher'),
  worker: () => room.workerProcess('runner', { WORKER_CPU: '64', WORKER_MEMORY_MB: '65536', WORKER_DISPATCHER: 'false' }),
};

beforeAll(async () => {
  target = answering;
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-sla-'));
  temporal = await startTemporal(0);
  room = await openRoom({ OUTBOUND_ALLOW: '127.0.0.0/8', LOG_LEVEL: 'info', TEMPORAL_NAMESPACE: 'default' });
  room.temporal_address = temporal.address;
  api_url = `http://127.0.0.1:${await freePort('127.0.0.1', 21_000)}`;
  await query(room.fork(), `update queues set capacity = $1 where name = 'default'`, [AT_ONCE]);
  for (const [name, begin] of Object.entries(start)) parts.set(name, await begin());
}, 120_000);
afterAll(async () => {
  await room.close();
  await temporal.stop();
  await new Promise((resolve) => target.close(resolve));
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Ends a part as a power cut would, and starts it again. */
async function killPart(name: string): Promise<void> {
  if (name === 'temporal') {
    process.kill(Number(await readFile(path.join(folder, 'temporal.pid'), 'utf8')), 'SIGKILL');
    await temporal.exited;
    temporal = await startTemporal(Number(temporal.address.split(':').at(-1)));
    return;
  }
  await parts.get(name)?.kill('SIGKILL');
  parts.set(name, await (start[name] as () => Promise<WorkerProcess>)());
}

/** Run times around the limit of a second, by a few and by 50 ms, and far from it; some answers fail. */
function itemOf(n: number): object {
  const around = [-150, -100, -50, -50, -20, 0, 20, 50, 50, 100, 200][n % 11] as number;
  const ms = [100, 300, 950 + around, 950 + around, 950 + around, 1_700][n % 6] as number;
  const status = n % 29 === 0 ? 500 : 200;
  return { template: 'http', parameters: { url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/${ms}/${status}` } };
}

/** Sends a chunk until it is taken; the key makes one that was taken already the answer. */
async function send(from: number): Promise<void> {
  const body = JSON.stringify(Array.from({ length: Math.min(CHUNK, TASKS - from) }, (_, n) => itemOf(from + n)));
  const headers = { authorization: `Bearer ${room.admin_key}`, 'content-type': 'application/json', 'idempotency-key': `chunk-${from}` };
  await eventually(
    async () => {
      const answer = await fetch(`${api_url}/api/v1/tasks`, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });
      if (answer.status === 429) await sleep(1_000);
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    },
    { timeout_ms: 60_000, interval_ms: 200 },
  );
}

async function count(what: string): Promise<number> {
  const [row] = await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from ${what}`);
  return row?.n ?? -1;
}
const none = async (what: string, timeout_ms: number): Promise<unknown> =>
  await eventually(async () => expect(await count(what)).toBe(0), { timeout_ms, interval_ms: 500 });

test(`of ${TASKS} tasks exactly those clocks are broken that an independent recount finds, after every process was killed twice`, async () => {
  const at = new Date(Date.now() + 120_000).toISOString();
  const limits = { queue_wait: 6, start_delay: 3, run_time: 1, total_time: 12, attempts: 1, at };
  const stages = { run_time: [100, 150] };
  const conditions = [
    { kind: 'queue_wait', limit_s: limits.queue_wait },
    { kind: 'start_delay', limit_s: limits.start_delay },
    { kind: 'run_time', limit_s: limits.run_time, stages: stages.run_time },
    { kind: 'total_time', limit_s: limits.total_time },
    { kind: 'deadline', at },
    { kind: 'attempts', max: limits.attempts },
  ];
  const actions = [
    { do: 'label', set: { late: 'yes' }, condition: 'run_time' },
    { do: 'notify', condition: 'start_delay' },
  ];
  await attach(room.fork(), await makeSla(room.context(), conditions, { actions }), 'queue:default');
  const victims = ['api', 'worker', 'dispatcher', 'temporal', 'api', 'dispatcher', 'worker', 'temporal'];
  const killing = (async () => {
    for (const [n, victim] of victims.entries()) {
      const goal = ((n + 1) * TASKS) / (victims.length + 2);
      await eventually(async () => expect(await count(`tasks where status in ('completed', 'failed')`)).toBeGreaterThan(goal), {
        timeout_ms: 240_000,
        interval_ms: 300,
      });
      await killPart(victim);
    }
  })();
  for (let from = 0; from < TASKS; from += CHUNK) {
    await send(from);
    await eventually(async () => expect(await count(`tasks where status = 'queued'`)).toBeLessThan(2 * AT_ONCE), { timeout_ms: 240_000 });
    if (from % 500 === 0) {
      const [waiting] = await query<{ uuid: string }>(
        room.fork(),
        `select uuid from tasks where status = 'queued' order by vtime desc limit 1`,
      );
      if (waiting) await room.cancel(waiting.uuid);
    }
  }
  await killing;
  await none(`tasks where status not in ('completed', 'failed', 'cancelled')`, 240_000);
  await none('sla_clocks where stopped_at is null and next_at is not null', 60_000);
  await none(`breach_actions where state = 'waiting'`, 300_000);
  const told = await toldBreaches(room.fork());
  const expected = await recount(room.fork(), limits, stages);
  const kinds = Object.groupBy(expected, ({ key }) => key.split(' ').slice(1, 3).join(' '));
  const table = Object.entries(kinds).map(([kind, list]) => `${kind}: ${list?.length}`);
  process.stderr.write(
    `recount: ${expected.length} breaches of ${await count('tasks')} tasks (${table.join(', ')}); told ${told.length}\n`,
  );
  expect(await count('tasks')).toBe(TASKS);
  expect(differences(expected, told)).toEqual({ missing: [], surplus: [], twice: [] });
  for (const [kind, list] of Object.entries(kinds)) expect([kind, (list?.length ?? 0) > 0]).toEqual([kind, true]);
  const results = await query(room.fork(), `select kind, state, count(*)::int4 as n from breach_actions group by 1, 2 order by 1, 2`);
  expect(results.every(({ state }) => state === 'done')).toBe(true);
  await room.expectClean();
}, 800_000);
