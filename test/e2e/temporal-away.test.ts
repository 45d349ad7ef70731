import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { query } from '../../entities/sql.ts';
import { startTemporalServer, type TemporalServer } from '../../platform/temporal-server.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room, TASKS_EACH } from './room.ts';

let room: Room;
let folder: string;
let server: TemporalServer;
const startServer = (port: number): Promise<TemporalServer> =>
  startTemporalServer({ data_dir: folder, host: '127.0.0.1', port, ui_port: null, namespace: 'default' });

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-temporal-'));
  server = await startServer(0);
  room = await openRoom({ WORKER_CPU: '16', WORKER_MEMORY_MB: '16000', LOG_LEVEL: 'fatal', TEMPORAL_NAMESPACE: 'default' });
  room.temporal_address = server.address;
}, 60_000);
afterAll(async () => {
  await room.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function count(where: string): Promise<number> {
  const [row] = await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from ${where}`);
  return row?.n ?? -1;
}

test('while Temporal is away submits are accepted, running work goes on and nothing is freed; afterwards everything completes once', async () => {
  await room.worker('w1');
  const running = await room.submitShell('sleep 9; echo survived');
  await room.untilInstance(running, 'running');
  await server.stop();
  const waiting = await Promise.all(Array.from({ length: 20 }, () => room.submitShell('true')));
  await room.untilTask(running, 'completed', 20_000);
  expect(await room.lines(running)).toEqual(['survived']);
  expect(await count(`tasks where status in ('queued', 'processing')`)).toBe(20 * TASKS_EACH);
  expect(await count(`instances where status = 'lost'`)).toBe(0);
  server = await startServer(Number(server.address.split(':').at(-1)));
  await eventually(async () => expect(await count(`tasks where status <> 'completed'`)).toBe(0), { timeout_ms: 30_000 });
  for (const uuid of [running, ...waiting]) expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['completed']);
  await room.expectClean();
}, 60_000);
