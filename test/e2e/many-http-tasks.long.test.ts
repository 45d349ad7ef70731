import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HttpServer, listen } from '../../api/http-server.ts';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';
import { openRoomApi } from './room-api.ts';

const TASKS = 10_000;
const BATCH = 500;

let room: Room;
let api: HttpServer;
let target: Server;
let url: string;
let admin_key: string;
/** How often each path was called. */
const calls = new Map<string, number>();

beforeAll(async () => {
  room = await openRoom({
    OUTBOUND_ALLOW: '127.0.0.1',
    WORKER_CPU: '16',
    WORKER_MEMORY_MB: '16000',
    HEARTBEAT_TIMEOUT_S: '30',
    LOST_AFTER_S: '60',
  });
  target = createServer((request, response) => {
    const path = request.url ?? '';
    calls.set(path, (calls.get(path) ?? 0) + 1);
    response.end(`answer to ${path}`);
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
  const { app, key } = await openRoomApi(room);
  admin_key = key;
  api = await listen(app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.stop();
  await room.close();
  target.closeAllConnections();
  await new Promise((resolve) => target.close(resolve));
});

async function post(from: number): Promise<string[]> {
  const items = Array.from({ length: BATCH }, (_, i) => ({ template: 'http', parameters: { url: `${url}/${from + i}` } }));
  const response = await fetch(`${api.url}/api/v1/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin_key}`, 'content-type': 'application/json' },
    body: JSON.stringify(items),
  });
  const answer = (await response.json()) as { items: { uuid: string }[] };
  expect({ status: response.status, answer }).toMatchObject({ status: 201, answer: { items: expect.any(Array) } });
  return answer.items.map(({ uuid }) => uuid);
}

const count = async (what: string): Promise<number> =>
  (await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from ${what}`))[0]?.n ?? -1;

/** Tasks whose rows are not those of exactly one completed instance that called the task's own address. */
const WRONG = `
select t.uuid, t.status, t.attempt, t.result->>'body' as body from tasks t
where t.status <> 'completed' or t.attempt <> 1
  or t.result->>'body' is distinct from 'answer to ' || substring(t.parameters->>'url' from '/[0-9]+$')
  or (select array_agg(i.status || ' ' || (i.result = t.result)) from instances i where i.task_id = t.uuid) is distinct from array['completed true']
  or (select array_agg(h.subject || ' ' || h.to_status order by h.id) from task_history h where h.task_id = t.uuid) is distinct from
    array['task queued', 'task processing', 'instance starting', 'instance running', 'instance completed', 'task completed']
limit 5`;

test('ten thousand http tasks that come in batches are called once each, and every row of theirs is right', async () => {
  await room.workerProcess('w1');
  const since = performance.now();
  const uuids = new Set<string>();
  for (let from = 0; from < TASKS; from += BATCH) for (const uuid of await post(from)) uuids.add(uuid);
  expect(uuids.size).toBe(TASKS);
  await eventually(async () => expect(await count(`tasks where status <> 'completed'`)).toBe(0), { timeout_ms: 300_000 });
  const elapsed_s = (performance.now() - since) / 1000;
  expect(calls.size).toBe(TASKS);
  expect([...calls].filter(([, n]) => n !== 1)).toEqual([]);
  expect(await query(room.fork(), WRONG)).toEqual([]);
  const sizes = await query<{ size: number; waves: number }>(
    room.fork(),
    `select size::int4, count(*)::int4 as waves from (select count(*) as size from instances group by workflow_id) w group by size order by size`,
  );
  expect(Math.max(...sizes.map(({ size }) => size))).toBeLessThanOrEqual(50);
  expect(sizes.reduce((sum, { waves }) => sum + waves, 0)).toBeLessThan(TASKS / 4);
  process.stdout.write(
    `${TASKS} tasks in ${elapsed_s.toFixed(1)} s; workflows by size: ${sizes.map(({ size, waves }) => `${size}: ${waves}`).join(', ')}\n`,
  );
  await room.expectClean();
}, 400_000);
