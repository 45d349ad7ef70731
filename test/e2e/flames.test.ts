import { setTimeout as pause } from 'node:timers/promises';
import { figuresOfRun } from '../../core/flames/report.ts';
import { tallyEntries } from '../../engines/flames/figures.ts';
import { eventually } from '../support/eventually.ts';
import { evaluationOf, logRows, makeDataset, RULES, runRow } from '../support/flames.ts';
import { ModelServer } from '../support/model-server.ts';
import { CuttableProxy } from './cuttable-proxy.ts';
import { openRoom, type Room } from './room.ts';

const CONCURRENCY = 6;

let room: Room;
let server: ModelServer;
let proxy: CuttableProxy;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '8', WORKER_MEMORY_MB: '8000', OUTBOUND_ALLOW: '127.0.0.1', LOST_AFTER_S: '8' });
  const url = new URL(room.db.url);
  proxy = new CuttableProxy({ host: url.hostname, port: Number(url.port) });
  url.hostname = '127.0.0.1';
  url.port = String(await proxy.listen());
  room.database_url = url.href;
  server = await new ModelServer().start();
});
afterAll(async () => {
  await room.close();
  await proxy.close();
  await server.stop();
});
beforeEach(() => {
  server.forget();
  server.script = { delay_ms: 25, limited: 0.05, failing: 0.02, unparsed: 0.01, retry_after: '0.1' };
});

const submit = async (prompts: number, more: Record<string, unknown> = {}): Promise<string> => {
  const dataset_id = await makeDataset(room.context(), prompts);
  const parameters = evaluationOf(server, dataset_id, { concurrency: CONCURRENCY, cache: false, min_coverage: 0.9, ...more });
  const [uuid] = await room.submit([{ template: 'flames', parameters }]);
  return uuid as string;
};
const untilRows = async (uuid: string, n: number) =>
  await eventually(async () => expect((await logRows(room.db.em, uuid)).length).toBeGreaterThan(n), { timeout_ms: 20_000 });

async function expectComplete(uuid: string, prompts: number): Promise<void> {
  const rows = await logRows(room.db.em, uuid);
  expect(rows.map(({ prompt_seq }) => prompt_seq)).toEqual(Array.from({ length: prompts }, (_, i) => i + 1));
  expect(rows.filter(({ status }) => status === 'answered')).toEqual([]);
  const run = await runRow(room.db.em, uuid);
  expect(run.result).toMatchObject(JSON.parse(JSON.stringify(figuresOfRun(await tallyEntries(rows as never)))));
  expect(run).toMatchObject({ done: prompts, logs: 'database', repair_at: null });
}

test('a run whose worker is killed goes on in the same instance, and at most its calls under way are made again', async () => {
  const first = await room.workerProcess('flames-killed');
  const uuid = await submit(200);
  await untilRows(uuid, 80);
  await first.kill('SIGKILL');
  const second = await room.workerProcess('flames-killed');
  await room.untilTask(uuid, 'completed', 30_000);
  await expectComplete(uuid, 200);
  expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['completed']);
  expect(server.repeated()).toBeLessThanOrEqual(CONCURRENCY);
  expect((await room.systemLines(uuid)).at(-1)).toMatch(/^200 of 200 done/);
  await second.kill('SIGTERM');
  await room.expectClean();
}, 60_000);

test('while the database is away the run goes on, and its rows are all in the table afterwards', async () => {
  const worker = await room.worker('flames-cut');
  const uuid = await submit(300);
  await untilRows(uuid, 50);
  const before = server.calls.length;
  proxy.cut();
  await pause(2_500);
  expect(server.calls.length).toBeGreaterThan(before + 50);
  proxy.mend();
  await room.untilTask(uuid, 'completed', 30_000);
  await expectComplete(uuid, 300);
  expect(server.repeated()).toBe(0);
  await worker.stop();
  await room.expectClean();
}, 60_000);

test('a cancelled run ends within seconds and keeps its rows', async () => {
  const worker = await room.worker('flames-cancelled');
  const uuid = await submit(5_000, { scorer: RULES });
  await untilRows(uuid, 20);
  await room.cancel(uuid);
  await room.untilTask(uuid, 'cancelled');
  const { length } = server.calls;
  const run = await runRow(room.db.em, uuid);
  const rows = await logRows(room.db.em, uuid);
  expect(run).toMatchObject({ status: 'cancelled', done: rows.length });
  expect(run.result?.overall.n).toBe(rows.length);
  await pause(300);
  expect(server.calls).toHaveLength(length);
  await worker.stop();
  await room.expectClean();
}, 60_000);
